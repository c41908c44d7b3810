"""Runs and bundles that version 0.1.0 wrote on 2026-11-28: today's commands resume, score and use them.

`run_of_0.1.0.tar.xz` holds `finished`, a run of `tiny_config.py` to its end; `killed`, the same command
ended by SIGKILL after step 14, with a half-written checkpoint; and `bundle.zip`, exported from the first. The
numbers may differ by rounding alone: other processors round otherwise.
"""

import json
import tarfile

import numpy as np
import pytest
import tiny
from PIL import Image

ARCHIVE = tiny.HERE / "runs" / "old_run" / "run_of_0.1.0.tar.xz"
# What 0.1.0 answered for `picture`.
PROBABILITIES = {
    "angry": 0.14366428554058075,
    "disgust": 0.14352768659591675,
    "fear": 0.1369515359401703,
    "happy": 0.14423111081123352,
    "sad": 0.15236255526542664,
    "surprise": 0.13731777667999268,
    "neutral": 0.14194507896900177,
}


@pytest.fixture
def old(tmp_path):
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def train(tiny_run, shell, workdir):
    return shell(*tiny.train_arguments(tiny_run.data, workdir, "--config.checkpoint.keep=1"))


def picture(folder):
    blocks = np.random.default_rng(0).integers(0, 256, (4, 4), np.uint8)
    path = folder / "face.png"
    Image.fromarray(np.kron(blocks, np.ones((12, 12), np.uint8))).save(path)
    return path


def assert_close(first, second, path=""):
    """Two JSON values are equal, their numbers to four digits."""
    assert type(first) is type(second), path
    if isinstance(first, dict):
        assert first.keys() <= second.keys(), path  # later versions may write more
        for name in first:
            assert_close(first[name], second[name], f"{path}/{name}")
    elif isinstance(first, list):
        assert len(first) == len(second), path
        for number, (one, other) in enumerate(zip(first, second, strict=True)):
            assert_close(one, other, f"{path}/{number}")
    elif isinstance(first, float):
        assert second == pytest.approx(first, rel=2e-3, abs=2e-3), path
    else:
        assert first == second, path


def not_scaled(result):
    """Without what follows from the temperature, which later versions find by softer targets."""
    later = ("temperature", "calibration_error_scaled", "cross_entropy_scaled")
    kept = {name: value for name, value in result["probabilities"].items() if name not in later}
    return {**result, "probabilities": kept}


def test_a_killed_run_ends_as_it_would_have_then(old, tiny_run, shell):
    done = train(tiny_run, shell, old / "killed")
    assert done.returncode == 0, done.stderr
    assert "from step 10" in done.stdout
    assert_close(not_scaled(tiny.result(old / "finished")), tiny.result(old / "killed"))
    assert_close(tiny.steady(tiny.rows(old / "finished")), tiny.steady(tiny.rows(old / "killed")))
    tiny.assert_once(old / "killed")


def test_a_finished_run_is_finished(old, tiny_run, shell):
    before = (old / "finished" / "result.json").read_bytes()
    done = train(tiny_run, shell, old / "finished")
    assert done.returncode == 0, done.stderr
    assert "finished" in done.stdout
    assert (old / "finished" / "result.json").read_bytes() == before


def test_a_finished_run_is_scored(old, tiny_run, shell):
    done = shell("evaluate", f"--workdir={old / 'finished'}", f"--data_dir={tiny_run.data}")
    assert done.returncode == 0, done.stderr
    found = json.loads((old / "finished" / "evaluations" / "fer2013-test.json").read_text())
    assert_close(tiny.result(old / "finished")["test"], found["test"])


@pytest.mark.parametrize("network", ["--workdir={}/finished", "--bundle={}/bundle.zip"])
def test_predictions_are_the_same(old, shell, network):
    done = shell("predict", picture(old), "--cropped", network.format(old), "--format=jsonl", "--top_k=0")
    assert done.returncode == 0, done.stderr
    assert_close(PROBABILITIES, json.loads(done.stdout)["probabilities"])


def test_a_run_is_a_source_of_weights(old, tiny_run, shell):
    done = shell(
        *tiny.train_arguments(tiny_run.data, old / "new"),
        f"--config.init.from={old / 'finished'}", "--config.train.max_steps=1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads((old / "new" / "init.json").read_text())["new"] == 0
