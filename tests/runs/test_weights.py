"""Folders of weights alone: written whole, read back exactly, from a run as well."""

import errno
import json
import os
import shutil

import jax
import numpy as np
import pytest
import tiny

from ferjax.errors import UserError
from ferjax.runs import weights
from ferjax.runs.checkpoints import Damaged
from ferjax.training.splits import load_split

VARIABLES = {
    "params": {"conv": {"kernel": np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)}},
    "batch_stats": {"bn": {"mean": np.ones(3, np.float32)}},
}


@pytest.fixture
def folder(tmp_path):
    weights.save(tmp_path / "imported", "tiny", VARIABLES, {"source": "file.pth"})
    return tmp_path / "imported"


def test_what_is_saved_is_loaded(folder):
    loaded, meta = weights.load(folder)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a, b, strict=True), loaded, VARIABLES)
    assert (meta["model"], meta["source"], meta["best_step"]) == ("tiny", "file.pth", 0)


def test_a_network_without_statistics(tmp_path):
    weights.save(tmp_path / "a", "tiny", {**VARIABLES, "batch_stats": {}}, {})
    assert weights.load(tmp_path / "a")[0]["batch_stats"] == {}


def test_nothing_is_left_beside_the_folder(folder):
    assert [path.name for path in folder.parent.iterdir()] == ["imported"]


def test_a_folder_that_holds_something_is_never_written(folder):
    with pytest.raises(UserError, match="is not empty"):
        weights.save(folder, "tiny", VARIABLES, {})
    (folder.parent / "file").write_text("")
    with pytest.raises(UserError, match="is a file"):
        weights.check_new(folder.parent / "file")
    with pytest.raises(UserError, match="is not a folder that can be written"):
        weights.check_new(folder.parent / "file" / "below")
    (folder.parent / "empty").mkdir()
    weights.save(folder.parent / "empty", "tiny", VARIABLES, {})


def test_a_config_makes_it_a_folder_that_is_opened_as_a_run(tmp_path):
    weights.save(tmp_path / "a", "tiny", VARIABLES, {}, {"model": {"name": "tiny"}})
    assert json.loads((tmp_path / "a" / "config.json").read_text()) == {"model": {"name": "tiny"}}


def test_a_full_disk_is_told_and_nothing_is_left(tmp_path, monkeypatch):
    def full(path, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(weights, "write_json_atomic", full)
    with pytest.raises(UserError, match=r"cannot write .*: No space left on device; name another folder"):
        weights.save(tmp_path / "a", "tiny", VARIABLES, {}, {})
    assert not list(tmp_path.iterdir())


def test_the_averaged_weights_of_a_runs_best_step(never_killed):
    """The tiny run averages its weights, and its best step is not its last."""
    loaded, meta = weights.load(never_killed)
    best = json.loads((never_killed / "result.json").read_text())["best_step"]
    everything = stored(never_killed, best)
    for path, array in tiny.plain_tree(loaded).items():
        np.testing.assert_array_equal(array, everything[f".ema{path}"], strict=True)
    first = "['params']['conv1']['kernel']"
    assert (everything[f".ema{first}"] != everything[".params['conv1']['kernel']"]).any()
    assert meta["model"] == "tiny"


def stored(workdir, step):
    """Path → array of the whole state of one step."""
    config = tiny.ConfigDict(json.loads((workdir / "config.json").read_text()))
    with tiny.registered():
        parts = tiny.setup.assemble(config, load_split(config, "train"), tiny.make_mesh(config.mesh))
    checkpoints = tiny.Checkpoints(workdir, "tiny", keep=99)
    state, _ = checkpoints.restore(step, parts.like)
    checkpoints.close()
    return tiny.plain_tree(state)


@pytest.mark.parametrize("kind", ["an import", "a run"])
def test_damage_is_told(folder, never_killed, tmp_path, kind):
    place = folder if kind == "an import" else shutil.copytree(never_killed, tmp_path / "run")
    for checkpoint in (place / "checkpoints").iterdir():
        tiny.flip(checkpoint / "state")
    with pytest.raises(Damaged, match="is damaged"):
        weights.load(place)


def test_a_folder_without_weights(tmp_path):
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(UserError, match="holds no whole checkpoint"):
            weights.load(place)


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_, **__):
        raise ValueError("INTERNAL: error writing x: No space left on device [os_error_code='28']")

    monkeypatch.setattr(weights.ocp.CheckpointManager, "save", full)
    with pytest.raises(UserError, match="imported: No space left on device; name another folder"):
        weights.save(tmp_path / "imported", "tiny", VARIABLES, {})
    assert not list(tmp_path.iterdir())


def test_a_pipe_in_a_checkpoint_is_not_waited_for(folder):
    os.mkfifo(folder / "checkpoints" / "0" / "state" / "pipe")
    with pytest.raises(UserError, match="pipe is a pipe or a device") as caught:
        weights.load(folder)
    assert not isinstance(caught.value, Damaged)
