"""The verbs that read and write PyTorch's files, as commands, where torch is not installed."""

import json
from functools import partial

import jax
import numpy as np
import pytest
import tiny

from ferjax import models
from ferjax.interop.torch_files import read_state_dict, write_state_dict
from ferjax.interop.torch_weights import export_state_dict
from ferjax.runs import weights

NAME = "fer_cnn"


@pytest.fixture(scope="module")
def state():
    """A state dict with five classes, whose numbers all differ."""
    rng = np.random.default_rng(0)
    model = models.create(NAME, 5)
    images = np.zeros((1, 48, 48, 3), np.float32)
    shapes = jax.eval_shape(partial(model.init, train=False), jax.random.key(0), images)
    return export_state_dict(NAME, jax.tree.map(lambda leaf: rng.random(leaf.shape, np.float32), shapes))


@pytest.fixture
def file(state, tmp_path):
    write_state_dict(tmp_path / "weights.safetensors", state, {})
    return tmp_path / "weights.safetensors"


def importing(file, *flags):
    return "torch-import", file, f"--model={NAME}", f"--out={file.parent / 'out'}", *flags


@pytest.mark.slow
def test_in_and_out_again_is_exact(shell, file, state):
    out, back = file.parent / "out", file.parent / "back.safetensors"
    done = shell(*importing(file))
    assert (done.returncode, done.stderr) == (0, "")
    total = sum(array.size for array in state.values())
    assert f"{total:,} numbers in {len(state)} arrays" in done.stdout
    assert f"--config.init.from={out}" in done.stdout
    done = shell("torch-export", out, f"--out={back}")
    assert (done.returncode, done.stderr) == (0, "")
    found = read_state_dict(back)
    assert found.keys() == state.keys()
    for key, array in state.items():
        np.testing.assert_array_equal(found[key], array, strict=True)


@pytest.mark.slow
def test_a_runs_options_come_from_its_config(shell, file, tmp_path):
    variables, _ = imported(shell, file)
    weights.save(tmp_path / "run", NAME, variables, {})
    (tmp_path / "run" / "config.json").write_text(json.dumps({"model": {"name": NAME, "wdith": 3}}))
    done = shell("torch-export", tmp_path / "run", f"--out={tmp_path / 'a.safetensors'}")
    assert "no option 'wdith'" in tiny.only_line(done)
    (tmp_path / "run" / "config.json").write_text(json.dumps({"model": {"name": NAME}}))
    assert shell("torch-export", tmp_path / "run", f"--out={tmp_path / 'a.safetensors'}").returncode == 0


def imported(shell, file, *flags):
    done = shell(*importing(file, *flags))
    assert done.returncode == 0, done.stderr
    return weights.load(file.parent / "out")[0], done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("flag", "left_out"), [
    ("--num_classes=5", False), ("--num_classes=7", True), ("--head=new", True),
])  # fmt: skip
def test_a_classifier_that_does_not_fit_is_reported_and_left_out(shell, file, flag, left_out):
    variables, output = imported(shell, file, flag)
    assert ("fc2" not in variables["params"]) is left_out
    assert ("the classifier fc2 is left out" in output) is left_out
    assert "fc1" in variables["params"]


def truncated(file, state):
    file.write_bytes(file.read_bytes()[:-9])


def changed(changes):
    def change(file, state):
        write_state_dict(
            file, {key: value for key, value in {**state, **changes}.items() if value is not None}, {}
        )

    return change


BAD = {
    "truncated": (truncated, [], "is not a whole .safetensors"),
    "missing and extra": (
        changed({"conv1.bias": None, "fc1.weight": None, "fc9.bias": np.ones(3, np.float32)}), [],
        "2 missing: conv1.bias, fc1.weight; 1 unknown: fc9.bias",
    ),
    "wrong shape": (
        changed({"conv1.bias": np.ones(9, np.float32)}), [], "1 wrong shapes: conv1.bias is [9], not [32]",
    ),
    "integers": (changed({"conv1.bias": np.ones(32, np.int32)}), [], "conv1.bias (it is int32)"),
    "no network": (
        None, ["--model=fer_cn"],
        "'fer_cn' has no counterpart in PyTorch; the nearest that have one are fer_cnn",
    ),
    "no option": (None, ["--options=widht=3"], "no option 'widht'"),
    "no file": (lambda file, state: file.unlink(), [], "does not exist"),
    "no classes": (None, ["--num_classes=0"], "num_classes"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_one_line_and_nothing_is_written(shell, file, state, what):
    spoil, flags, message = BAD[what]
    if spoil:
        spoil(file, state)
    before = sorted(file.parent.iterdir())
    assert message in tiny.only_line(shell(*importing(file, *flags)))
    assert sorted(file.parent.iterdir()) == before


def test_a_full_folder_is_never_written(shell, file):
    (file.parent / "out").mkdir()
    (file.parent / "out" / "thesis.txt").write_text("")
    assert "is not empty" in tiny.only_line(shell(*importing(file)))
    assert [path.name for path in (file.parent / "out").iterdir()] == ["thesis.txt"]


@pytest.mark.slow
def test_arguments_that_are_missing_or_too_many(shell, tmp_path):
    assert "takes one file" in tiny.only_line(shell("torch-import", f"--model={NAME}", "--out=x"))
    assert "--model" in tiny.only_line(shell("torch-import", "a.safetensors", "--out=x"))
    assert "takes one folder" in tiny.only_line(shell("torch-export", "--out=x"))
    assert "holds no whole checkpoint" in tiny.only_line(shell("torch-export", tmp_path, "--out=a.pth"))
    assert "unexpected argument 'x'" in tiny.only_line(shell("torch-compare", "x", f"--model={NAME}"))


@pytest.mark.slow
def test_what_needs_torch_says_so(shell, file):
    imported(shell, file)
    line = tiny.only_line(shell("torch-export", file.parent / "out", f"--out={file.parent / 'a.pth'}"))
    assert "needs PyTorch" in line
    assert "pip install 'ferjax[torch]'" in tiny.only_line(shell("torch-compare", f"--model={NAME}"))


@pytest.mark.slow
@pytest.mark.parametrize(("flag", "message"), [
    ("--precision=float16", "--precision takes float64 and float32, not float16"),
    ("--out=table.txt", "ends neither in .md nor in .json"),
    ("--model=fer_cn", "'fer_cn' has no counterpart in PyTorch"),
    ("--batch=1", "batch"),
])  # fmt: skip
def test_flags_of_a_comparison_that_are_refused(shell, flag, message):
    assert message in tiny.only_line(shell("torch-compare", f"--model={NAME}", flag))
