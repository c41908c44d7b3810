"""The threshold below which answers are unsure: the smallest that does what is asked."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferjax.scores import unsure


def predictions(seed, count=60):
    """Labels, and log-probabilities that know a little of them."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, count)
    logits = rng.normal(size=(count, 4))
    logits[np.arange(count), labels] += 1.5
    return labels, logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def slowly(labels, logs, below):
    """Accuracy and coverage, one answer after the other."""
    answers = [
        (row.argmax() == label) for label, row in zip(labels, logs, strict=True) if np.exp(row.max()) >= below
    ]
    return sum(answers) / len(answers), len(answers) / len(labels)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 99), level=st.floats(0.3, 0.99))
def test_the_smallest_threshold_that_reaches_the_level(seed, level):
    labels, logs = predictions(seed)
    found = unsure.choose(labels, logs, level)
    reached = [step / 100 for step in range(100) if (np.exp(logs.max(-1)) >= step / 100).any()]
    good = [below for below in reached if slowly(labels, logs, below)[0] >= level]
    assert (found and found.below) == (good[0] if good else None)
    if found:
        assert (found.accuracy, found.coverage) == pytest.approx(slowly(labels, logs, found.below))


def test_no_answer_is_kept():
    labels, logs = predictions(0)
    kept = unsure.kept(labels, logs, 1.1)
    assert np.isnan(kept.accuracy)
    assert kept.coverage == 0


GOOD = {"below": 0.5, "accuracy": 0.8, "coverage": 0.75}


@pytest.mark.parametrize(
    "value",
    [
        None,
        3,
        {},
        {"below": 0.5},
        {**GOOD, "level": 0.8},
        {**GOOD, "below": 2},
        {**GOOD, "below": True},
        {**GOOD, "below": "0.5"},
        {**GOOD, "accuracy": float("nan")},
    ],
)
def test_what_is_no_threshold(value):
    assert unsure.parsed(GOOD) == unsure.Unsure(**GOOD)
    assert unsure.parsed(value) is None
