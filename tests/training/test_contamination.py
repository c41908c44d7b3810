"""Test images that the weights have seen are found by their pixels, in any set, and told loudly."""

import contextlib
import io
import json
import shutil

import numpy as np
import pytest
import tiny

from ferjax.config import defaults, override, split_argument
from ferjax.data import builders
from ferjax.errors import UserError
from ferjax.inference.score_run import evaluate_run
from ferjax.training import contamination
from ferjax.training.loop import train_and_evaluate
from ferjax.training.splits import load_split
from ferjax.training.trained_on import is_record

pytestmark = pytest.mark.usefixtures("tiny_model")


@pytest.fixture(scope="module")
def leaky(tmp_path_factory):
    """A small FER2013: of ten test images three are in train, two in validation, and one of these in both."""
    folder = tmp_path_factory.mktemp("leaky")
    rng = np.random.default_rng(3)
    images = {split: rng.integers(0, 256, (count, 2304)) for split, count in
              (("Training", 70), ("PublicTest", 20), ("PrivateTest", 10))}  # fmt: skip
    images["PrivateTest"][:3] = images["Training"][5:8]
    images["PrivateTest"][2:4] = images["PublicTest"][:2] = images["Training"][[7, 9]]
    images["Training"][9] = rng.integers(0, 256, 2304)
    lines = [
        f"{place % 7},{' '.join(map(str, image))},{split}"
        for split, some in images.items()
        for place, image in enumerate(some)
    ]
    (folder / "fer2013.csv").write_text("\n".join(["emotion,pixels,Usage", *lines, ""]))
    with contextlib.redirect_stdout(io.StringIO()):
        builders.build(builders.create("fer2013", folder / "data", manual_dir=folder))
    return folder / "data"


def of(folder, **fields):
    return tiny.tiny_configuration(data__dir=str(folder), **fields)


@pytest.mark.slow
def test_a_run_tells_and_keeps_what_overlaps(leaky, tmp_path, caplog):
    config = of(leaky, train__max_steps=1, checkpoint__every_steps=0)
    result = train_and_evaluate(config, tmp_path / "run")
    expected = {"images": 10, "train": 3, "validation": 2, "earlier": 0, "unchecked": []}
    assert result["overlap"] == expected
    assert json.loads((tmp_path / "run" / "result.json").read_text())["overlap"] == expected
    printed = caplog.text
    assert "of the 10 images of fer2013 test, 3 are also in the training data, " in printed
    assert "2 are also in the validation data, which chose the weights, pixel for pixel: its" in printed
    advice = "a new run with --config.data.drop_leaks=True --config.data.drop_validation_leaks=True leaves"
    assert advice in printed


def test_without_leaks_only_validation_is_left(leaky):
    config = of(leaky, data__drop_leaks=True)
    found = contamination.find(load_split(config, "test", "stream"), contamination.seen_by(config, (), []))
    assert (found["train"], found["validation"]) == (0, 2)
    (line,) = contamination.warnings(found, "it", config.data)
    assert line.endswith("a new run with --config.data.drop_validation_leaks=True leaves them out")
    assert "new run" not in contamination.warnings(found, "it")[0]  # of another set: no option helps


def test_without_validation_leaks_none_is_left(leaky):
    config = of(leaky, data__drop_leaks=True, data__drop_validation_leaks=True)
    validation = load_split(config, "validation", "stream")
    assert len(validation) == 20 - 2
    assert len(load_split(config, "test", "stream")) == 10
    found = contamination.find(load_split(config, "test", "stream"), contamination.seen_by(config, (), []))
    assert (found["train"], found["validation"]) == (0, 0)
    assert contamination.warnings(found, "it", config.data) == []


def test_what_the_initial_weights_saw_counts_too(leaky, tiny_run):
    clean, dirty = of(tiny_run.data), of(leaky)
    assert contamination.warnings(
        contamination.find(load_split(clean, "test", "stream"), contamination.seen_by(clean, (), [])), "it"
    ) == []  # fmt: skip
    earlier = contamination.seen_by(dirty, (load_split(dirty, "train", "stream"),), [])
    assert set(earlier[0]["split_digests"]) == {"train"}
    found = contamination.find(load_split(dirty, "test", "stream"), contamination.seen_by(clean, (), earlier))
    assert (found["train"], found["validation"], found["earlier"]) == (0, 0, 4)
    gone = [{"data": {**earlier[0]["data"], "dir": "/nowhere"}}] * 2
    found = contamination.find(load_split(dirty, "test", "stream"), gone)
    assert found["unchecked"] == ["fer2013 train", "fer2013 validation"]
    (warning,) = contamination.warnings(found, "the set")
    expected = "the set was not compared with fer2013 train and fer2013 validation, for that is not here"
    assert warning == expected


def test_scoring_a_run_on_what_it_trained_on_is_marked(never_killed, tiny_run, leaky, tmp_path, caplog):
    workdir = shutil.copytree(never_killed, tmp_path / "run")
    found = evaluate_run(workdir, split="train")
    assert found["overlap"]["train"] == found["overlap"]["images"] == tiny.SPLITS["Training"]
    assert "of the 140 images of fer2013 train, 140 are also in the training data" in caplog.text
    caplog.clear()
    found = evaluate_run(workdir, split="test")
    assert (found["overlap"]["train"], found["overlap"]["validation"]) == (0, 0)
    assert "are also in" not in caplog.text


@pytest.mark.parametrize("field", ["eval.split", "data.validation", "train.choose_on", "eval.on_test"])
def test_no_field_chooses_on_test(field):
    _, overrides = split_argument(f"{field}=test", "fer2013")
    with pytest.raises(UserError, match=f"the config has no field '{field}'"):
        override(defaults(), field, overrides[field])


@pytest.mark.parametrize(
    ("value", "good"),
    [
        ([], True),
        ([{"data": {"name": "fer2013", "image_size": 48}, "split_digests": {}}], True),
        (None, False),
        ({}, False),
        ([3], False),
        ([{}], False),
        ([{"data": {}}], False),
        ([{"data": {"name": 3}}], False),
        ([{"data": {"name": "fer2013", "image_size": "48"}}], False),
        ([{"data": {"name": "fer2013", "unknown": 1}}], False),
    ],
)
def test_a_record_that_somebody_edited_is_none(value, good):
    assert is_record(value) == good
