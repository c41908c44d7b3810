"""The pictures of a run's worst mistakes, and why there are none."""

import numpy as np
import pytest

from ferjax import data
from ferjax.report import mistakes
from ferjax.runs.predictions import Predictions


@pytest.fixture(scope="module")
def predicted(tiny_run):
    source = data.load("fer2013", "test", tiny_run.data, image_size=16)
    chances = np.random.default_rng(0).dirichlet(np.ones(7), len(source))
    return Predictions.of(source, np.log(chances).astype(np.float32), 1)


def settings(tiny_run, **fields):
    return {"data": {"name": "fer2013", "dir": str(tiny_run.data), "image_size": 16, **fields}}


def test_they_have_pictures_where_the_set_is(tiny_run, predicted):
    worst, reason = mistakes.worst(settings(tiny_run), predicted)
    assert reason == ""
    assert worst
    assert all(mistake.picture.startswith("data:image/") for mistake in worst)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("dir", 5), ("image_size", "16"), ("image_size", -1), ("image_size", 10**9), ("source_size", None),
        ("resize", ["pil"]), ("resize", "x"), ("val_fraction", "all"), ("test_fraction", -1.0), ("fold", {}),
    ],
)  # fmt: skip
def test_a_config_that_was_edited_is_the_reason_for_none(tiny_run, predicted, field, value):
    worst, reason = mistakes.worst(settings(tiny_run, **{field: value}), predicted)
    assert f"data.{field}" in reason
    assert worst
    assert not any(mistake.picture for mistake in worst)


def test_a_config_without_a_data_set_is_the_reason_for_none(predicted):
    for config in ({}, {"data": 3}, {"data": []}):
        assert mistakes.worst(config, predicted)[1] == "its config names no data set"


def test_a_page_to_be_passed_on_has_none(predicted):
    worst, reason = mistakes.worst(None, predicted)
    assert reason == "this page is written to be passed on"
    assert worst
    assert not any(mistake.picture for mistake in worst)
