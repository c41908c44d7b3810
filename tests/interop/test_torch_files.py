"""Files of weights: read without running anything, written whole, refused with the reason."""

import argparse
import collections
import contextlib
import io
import os
import pickle
import struct
import sys
import zipfile

import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
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


def safetensors_of(header, data):
    return struct.pack("<Q", len(header)) + header.encode() + data


@pytest.mark.parametrize("content", [
    b"<!DOCTYPE html><html>Not found</html>", struct.pack("<Q", 2**63) + b"{}", struct.pack("<Q", 2) + b"[]",
    struct.pack("<Q", 60) + b'{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,999999]}} ',
    safetensors_of('{"a":{"dtype":"F32","shape":[0,4611686018427387904],"data_offsets":[0,0]}}', b""),
    safetensors_of(f"""{{"a":{{"dtype":"F32","shape":{[1] * 70},"data_offsets":[0,4]}}}}""", bytes(4)),
    safetensors_of('{"a":' * 5000, b""),
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
    with pytest.raises(UserError, match=r"files ending in \.safetensors, \.pth, \.pt, not"):
        write_state_dict(tmp_path / "c.npz", STATE, {})
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        write_state_dict(tmp_path / "file" / "a.safetensors", STATE, {})
    with pytest.raises(UserError, match="cannot write"):
        write_state_dict(tmp_path / "b.pth", STATE, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.pth", "file"]


def test_reading_needs_no_torch_but_writing_a_pth_does(tmp_path, monkeypatch):
    write_state_dict(tmp_path / "a.pth", STATE, {})
    monkeypatch.setitem(sys.modules, "torch", None)
    assert_same(read_state_dict(tmp_path / "a.pth"), STATE)
    with pytest.raises(UserError, match=r"writing .* needs PyTorch: .* or name a \.safetensors"):
        write_state_dict(tmp_path / "b.pth", STATE, {})


@pytest.mark.parametrize(
    "name", ["a.pth.tar", "a.t7", "a.pkl", "a.bin", "a.ckpt", "a.PTH", "weights", "a.SafeTensors"]
)
@pytest.mark.parametrize("kind", ["zip", "old", "pickle", "safetensors"])
def test_the_content_decides_and_not_the_name(tmp_path, name, kind):
    tensors = {"conv.weight": torch.arange(6.0).reshape(2, 3)}
    writers = {
        "zip": lambda: torch.save(tensors, tmp_path / name),
        "old": lambda: torch.save(tensors, tmp_path / name, _use_new_zipfile_serialization=False),
        "pickle": lambda: (tmp_path / name).write_bytes(pickle.dumps(tensors)),
        "safetensors": lambda: safetensors.torch.save_file(tensors, tmp_path / name),
    }
    writers[kind]()
    assert_same(read_state_dict(tmp_path / name), {"conv.weight": tensors["conv.weight"].numpy()})


@pytest.mark.parametrize(("content", "words"), [
    (b"<!DOCTYPE html><html>Sign in</html>", "a web page, not the file; fetch it again"),
    (b"\xef\xbb\xbf\n <HTML><body>", "a web page"),
    (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "a web page"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n", "a Git LFS pointer.*lfs pull"),
    (b"/annex/objects/SHA256E-s4--00.pth\n", "a git-annex pointer"),
    (b'{"error": "Not Found", "status": 404}', "a text"),
    (b"hello\n", "not a file of weights; fetch it again|not a whole .safetensors"),
    (b"", "empty"),
    (bytes(4096), "full of zeros"),
    (b"\x1f\x8b\x08" + bytes(20), "a gzip archive; unpack it"),
    (b"\x89HDF\r\n\x1a\n" + bytes(9), "an HDF5 file, such as Keras writes"),
    (b"\x89PNG\r\n\x1a\n" + bytes(9), "a PNG picture"),
    (b"GGUF\3\0\0\0", "a GGUF file"),
    (bytes(257) + b"ustar" + bytes(250), "a tar archive; unpack it"),
    (b"\xde\xad\xbe\xef" * 9, "damaged or not a file of weights|not a whole .safetensors"),
])  # fmt: skip
def test_other_files_are_called_what_they_are(tmp_path, content, words):
    for name in ("a.pth", "a.safetensors", "a.ckpt"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=words) as error:
            read_state_dict(tmp_path / name)
        assert len(str(error.value)) <= 400
        assert "\n" not in str(error.value)


def test_zips_of_others_are_called_what_they_are(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.ones(2))
    with pytest.raises(UserError, match=r"an \.npz of NumPy"):
        read_state_dict(tmp_path / "a.npz")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as file:
        file.writestr("manifest.json", "{}")
    with pytest.raises(UserError, match="a bundle of ferjax"):
        read_state_dict(tmp_path / "b.zip")


class Recorder:
    """What a training script keeps beside its weights."""

    def __init__(self):
        self.losses = [1.0]


@pytest.mark.parametrize("save", [
    torch.save,
    lambda content, path: torch.save(content, path, _use_new_zipfile_serialization=False),
    *(lambda content, path, protocol=protocol: path.write_bytes(pickle.dumps(content, protocol))
      for protocol in range(6)),
])  # fmt: skip
def test_objects_beside_the_weights_are_left_out(tmp_path, save, caplog):
    arrays = {"weights": torch.arange(4.0), "bfloat16": torch.ones(2, dtype=torch.bfloat16)}
    content = {
        "args": argparse.Namespace(lr=0.1, path=tmp_path), "recorder": Recorder(), "best": np.float64(0.5),
        "step": np.int64(7), "counts": collections.Counter("aab"), "seen": {1, 2},
        "curve": np.arange(3, dtype=">f4"), "net": collections.OrderedDict(arrays),
    }  # fmt: skip
    save(content, tmp_path / "a.pth")
    with caplog.at_level("INFO", "ferjax"):
        found = read_state_dict(tmp_path / "a.pth")
    assert "objects beside the weights are left out (" in caplog.text
    assert_same(found["net"], {"weights": np.arange(4, dtype=np.float32), "bfloat16": np.ones(2, np.float32)})
    assert (found["best"], found["step"], found["counts"]) == (0.5, 7, {"a": 2, "b": 1})
    np.testing.assert_array_equal(found["curve"], [0, 1, 2])


def test_a_bomb_beside_the_weights_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"net": {"a": torch.ones(2)}, "bomb": Bomb()}, "a.pth")
    assert_same(read_state_dict("a.pth")["net"], {"a": np.ones(2, np.float32)})
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("save", [
    lambda tensors, path: torch.save(tensors, path),
    lambda tensors, path: safetensors.torch.save_file(tensors, path),
])  # fmt: skip
@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz"])
def test_eight_bits_are_widened(tmp_path, save, dtype):
    tensor = torch.tensor([0.5, -2.0, 1.75]).to(getattr(torch, dtype))
    save({"a": tensor}, tmp_path / "a")
    assert_same(read_state_dict(tmp_path / "a"), {"a": np.array([0.5, -2, 1.75], np.float32)})


@pytest.mark.parametrize(("make", "words"), [
    (lambda: torch.ones(2, device="meta"), "a meta tensor, which holds no numbers"),
    (lambda: torch.eye(2).to_sparse(), "a sparse tensor"),
    (lambda: torch.ones(2, dtype=torch.complex64).conj(), "conjugated"),
    (lambda: torch.ones(2, dtype=torch.uint8).view(torch.float4_e2m1fn_x2), "float4_e2m1fn_x2"),
])  # fmt: skip
def test_tensors_without_numbers_say_why_when_they_are_used(tmp_path, make, words):
    torch.save({"a": make(), "b": torch.ones(1)}, tmp_path / "a.pth")
    found = read_state_dict(tmp_path / "a.pth")
    np.testing.assert_array_equal(found["b"], [1])
    with pytest.raises(TypeError, match=words):
        np.asarray(found["a"])


def test_views_share_numbers_and_stay_inside_them(tmp_path):
    base = torch.arange(20.0).reshape(4, 5)
    views = {
        "part": base[1:3, 2:],
        "turned": base.T,
        "wide": torch.ones(1).expand(3, 4),
        "none": torch.zeros(0, 3),
    }
    torch.save(views, tmp_path / "a.pth")
    assert_same(read_state_dict(tmp_path / "a.pth"), {name: view.numpy() for name, view in views.items()})


def test_a_zip_that_unpacks_to_more_than_it_holds_is_refused(tmp_path):
    torch.save({"a": torch.zeros(2**20)}, tmp_path / "a.pth")
    with zipfile.ZipFile(tmp_path / "a.pth") as whole, zipfile.ZipFile(tmp_path / "b.pth", "w") as packed:
        for name in whole.namelist():
            packed.writestr(name, whole.read(name), zipfile.ZIP_DEFLATED)
    with pytest.raises(UserError, match="unpacks to more than the file holds"):
        read_state_dict(tmp_path / "b.pth")


@settings(max_examples=150, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255), old=st.booleans())
def test_no_changed_byte_breaks_the_reader(tmp_path_factory, place, value, old):
    buffer = io.BytesIO()
    content = {
        "net": {"a": torch.arange(6.0).reshape(2, 3)},
        "best": np.float32(1),
        "args": argparse.Namespace(),
    }
    torch.save(content, buffer, _use_new_zipfile_serialization=not old)
    spoilt = bytearray(buffer.getvalue())
    spoilt[int(place * len(spoilt))] = value
    path = tmp_path_factory.mktemp("spoilt") / "a.pth"
    path.write_bytes(spoilt)
    with contextlib.suppress(UserError):
        read_state_dict(path)
