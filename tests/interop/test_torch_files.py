"""Files of weights: read without running anything, written whole, refused with the reason."""

import os
import pickle
import struct
import sys
import zipfile

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ferjax.errors import UserError
from ferjax.interop.torch_files import read_state_dict, write_state_dict

STATE = {"conv.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "bn.num_batches_tracked": np.array(5)}


class Bomb:
    """An object that runs a command when it is unpickled."""

    def __reduce__(self):
        return os.system, ("touch exploded",)


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_array_equal(found[key], value, strict=True)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".pt"])
@settings(max_examples=20, deadline=None)
@given(
    values=st.dictionaries(
        st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda name: name != "__metadata__"),
        arrays.arrays(
            st.sampled_from([np.float32, np.float64, np.float16, np.int64]), arrays.array_shapes(min_dims=0)
        ),
        min_size=1, max_size=4,
    )
)  # fmt: skip
def test_what_is_written_is_read(tmp_path_factory, suffix, values):
    path = tmp_path_factory.mktemp("files") / f"weights{suffix}"
    write_state_dict(path, values, {"model": "tiny"})
    assert_same(read_state_dict(path), values)


def test_others_read_what_is_written(tmp_path):
    write_state_dict(tmp_path / "a.safetensors", STATE, {"model": "tiny"})
    with safetensors.safe_open(tmp_path / "a.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt", "model": "tiny"}
        assert torch.equal(file.get_tensor("conv.weight"), torch.from_numpy(STATE["conv.weight"]))
    write_state_dict(tmp_path / "a.pth", STATE, {})
    found = torch.load(tmp_path / "a.pth", weights_only=True)
    assert {key: tuple(value.shape) for key, value in found.items()} == {
        "conv.weight": (2, 3), "bn.num_batches_tracked": (),
    }  # fmt: skip


def test_wrappers_parameters_and_bfloat16_are_read(tmp_path):
    half = torch.tensor([1.5, -2.0], dtype=torch.bfloat16)
    content = {"epoch": 3, "state_dict": {"a": torch.nn.Parameter(torch.ones(2)), "b": half, "c": None}}
    torch.save(content, tmp_path / "a.pth")
    found = read_state_dict(tmp_path / "a.pth")
    assert (found["epoch"], found["state_dict"]["c"]) == (3, None)
    assert_same({key: found["state_dict"][key] for key in "ab"},
                {"a": np.ones(2, np.float32), "b": np.array([1.5, -2], np.float32)})  # fmt: skip
    safetensors.numpy.save_file({"b": np.array([1.5, -2], ml_dtypes.bfloat16)}, tmp_path / "b.safetensors")
    np.testing.assert_array_equal(
        read_state_dict(tmp_path / "b.safetensors")["b"].astype(np.float32), [1.5, -2]
    )


def test_the_old_format_of_pytorch_is_read(tmp_path):
    torch.save({"a": torch.arange(3.0)}, tmp_path / "a.pth", _use_new_zipfile_serialization=False)
    assert_same(read_state_dict(tmp_path / "a.pth"), {"a": np.arange(3, dtype=np.float32)})


@pytest.mark.parametrize("write", [
    lambda path: torch.save({"a": Bomb()}, path),
    lambda path: torch.save({"a": Bomb()}, path, _use_new_zipfile_serialization=False),
    lambda path: path.write_bytes(pickle.dumps({"a": Bomb()})),
])  # fmt: skip
def test_a_file_with_code_is_refused_and_nothing_is_run(tmp_path, monkeypatch, write):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "a.pth")
    with pytest.raises(UserError, match="is refused: ") as error:
        read_state_dict(tmp_path / "a.pth")
    assert not (tmp_path / "exploded").exists()
    assert "\n" not in str(error.value)
    assert "weights_only=False" not in str(error.value)


def test_the_reason_names_the_code(tmp_path):
    torch.save({"a": Bomb()}, tmp_path / "a.pth")
    with pytest.raises(UserError, match=r"would run code \(posix\.system\).*state_dict\(\)"):
        read_state_dict(tmp_path / "a.pth")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "b.pth")  # a whole module, as many files are
    with pytest.raises(UserError, match=r"would run code \(torch\.nn\.modules\.linear\.Linear\)"):
        read_state_dict(tmp_path / "b.pth")


def test_a_torchscript_program_is_refused(tmp_path):
    torch.jit.script(torch.nn.Linear(2, 2)).save(tmp_path / "a.pt")
    with pytest.raises(UserError, match="TorchScript program"):
        read_state_dict(tmp_path / "a.pt")


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("part", [0.0, 0.01, 0.3, 0.6, 0.95])
def test_a_truncated_file_is_refused(tmp_path, suffix, part):
    path = tmp_path / f"a{suffix}"
    write_state_dict(path, STATE, {})
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(UserError, match="fetch it again") as error:
        read_state_dict(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("content", [
    b"<!DOCTYPE html><html>Not found</html>", struct.pack("<Q", 2**63) + b"{}", struct.pack("<Q", 2) + b"[]",
    struct.pack("<Q", 60) + b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,999999]}} ',
])  # fmt: skip
def test_other_files_than_weights_are_refused(tmp_path, content):
    for name in ("a.safetensors", "a.pth"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=name):
            read_state_dict(tmp_path / name)


def test_a_zip_of_another_program_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as file:
        file.writestr("notes.txt", "hello")
    with pytest.raises(UserError, match=r"a\.pth is refused"):
        read_state_dict(tmp_path / "a.pth")


def test_wrong_names_and_places_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"a\.pth does not exist"):
        read_state_dict(tmp_path / "a.pth")
    (tmp_path / "b.pth").mkdir()
    with pytest.raises(UserError, match=r"b\.pth is not a file"):
        read_state_dict(tmp_path / "b.pth")
    with pytest.raises(UserError, match=r"known suffixes are \.safetensors, \.pth, \.pt"):
        read_state_dict(tmp_path / "c.bin")
    with pytest.raises(UserError, match=r"files ending in \.safetensors, \.pth, \.pt, not"):
        write_state_dict(tmp_path / "c.npz", STATE, {})
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        write_state_dict(tmp_path / "file" / "a.safetensors", STATE, {})
    with pytest.raises(UserError, match="cannot write"):
        write_state_dict(tmp_path / "b.pth", STATE, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.pth", "file"]


def test_a_pth_without_torch_is_refused(tmp_path, monkeypatch):
    write_state_dict(tmp_path / "a.pth", STATE, {})
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(UserError, match=r"needs PyTorch: .*\.safetensors, which needs none"):
        read_state_dict(tmp_path / "a.pth")
