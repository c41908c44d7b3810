"""Training on a mixture of sets by the command: what it says, records, refuses, and a kill in the middle."""

import contextlib
import io
import json

import numpy as np
import pytest
import tiny
from PIL import Image

from ferjax.data import builders
from ferjax.data.labels import FER7

MIXTURE = "--config.data.mixture=fer2013=0.6,folder/more=0.4"


@pytest.fixture(scope="module")
def two_sets(tmp_path_factory):
    """A folder of built sets: FER2013's pattern and one of another size, in colour."""
    folder = tmp_path_factory.mktemp("mixture")
    tiny.write_csv(folder)
    generator = np.random.default_rng(1)
    for split, count in (("train", 28), ("validation", 7), ("test", 7)):
        for number in range(count):
            path = folder / "images" / split / FER7[number % 7] / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(generator.integers(0, 256, (20, 20, 3), dtype=np.uint8)).save(path)
    with contextlib.redirect_stdout(io.StringIO()):
        builders.build(builders.create("fer2013", folder / "data", manual_dir=folder))
        builders.build(builders.create("folder/more", folder / "data", manual_dir=folder / "images"))
    return folder / "data"


@pytest.mark.slow
@pytest.mark.parametrize("cache", ["memory", pytest.param("stream", marks=pytest.mark.relative)])
def test_a_kill_in_the_middle_of_an_epoch_changes_nothing(tiny_run, two_sets, tmp_path, cache):
    flags = (f"--config.data.dir={two_sets}", MIXTURE, f"--config.data.cache={cache}")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    told = tiny_run.run(whole, *flags)
    assert "on fer2013=0.6,folder/more=0.4: 168 training and 35 validation images" in told
    with tiny_run.start(killed, *flags) as command:
        assert command.reaches(9), command.text
        command.process.kill()
    assert "going on from step" in tiny_run.run(killed, *flags)
    (state, _), (expected, _) = tiny.newest(killed), tiny.newest(whole)
    tiny.assert_same(state, expected)
    assert tiny.result(killed) == tiny.result(whole)
    stored = json.loads((whole / "config.json").read_text())
    assert stored["data"]["mixture"] == "fer2013=0.6,folder/more=0.4"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--config.data.mixture=fer2013"], "'fer2013' is not NAME=WEIGHT with a weight above 0"),
        (["--config.data.mixture=fer2013=1,fer2013=2"], "in data.mixture, 'fer2013' comes twice"),
        ([MIXTURE, "--config.data.fold=1/5"], "data.fold is about one: leave one of them out"),
        (
            [MIXTURE, "--config.data.balance=draw", "--config.loss.class_weights=none"],
            "data.balance is about",
        ),
        ([MIXTURE, "--config.data.shuffle_parts=2"], "data.shuffle_parts shuffles parts of one set apart"),
        (["--config.data.shuffle_parts=3"], "it must divide train.batch_size 16"),
        (["--config.data.mixture=fer2013=1,ferplus=1"], "ferplus is not built in"),
    ],
)
def test_what_cannot_be_is_one_line(tiny_run, two_sets, tmp_path, flags, message):
    with tiny_run.start(tmp_path / "run", f"--config.data.dir={two_sets}", *flags) as command:
        assert command.finish() == 2, command.text
    assert message in command.lines[-1]
    assert "Traceback" not in command.text
