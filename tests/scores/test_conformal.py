"""Conformal sets hold the actual class as often as promised."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ferjax.scores import conformal
from ferjax.scores.calibration import with_temperature


def network(rng, count, classes=4):
    """Labels, and log probabilities that know a little about them."""
    labels = rng.integers(classes, size=count)
    logits = rng.normal(size=(count, classes)) + 1.5 * np.eye(classes)[labels]
    return labels, logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def covered(labels, sets):
    return sets[np.arange(len(labels)), labels]


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9, 0.95])
def test_the_coverage_lies_in_its_interval_as_often_as_promised(coverage):
    rng, inside, shares = np.random.default_rng(0), 0, []
    for _ in range(400):
        smallest = conformal.smallest_probability(*network(rng, 60), coverage)
        labels, logs = network(rng, 80)
        shares.append(covered(labels, conformal.prediction_sets(logs, smallest)).mean())
        low, high = conformal.coverage_interval(60, 80, coverage)
        inside += low <= shares[-1] <= high
    assert 0.93 <= inside / 400 <= 1  # of discrete numbers, so a little above 95 %
    assert coverage - 0.01 < np.mean(shares) < coverage + 1 / 61 + 0.01


def test_every_class_is_covered_where_each_has_its_own_threshold():
    rng, counts = np.random.default_rng(1), np.zeros((2, 4))
    for _ in range(200):
        labels, logs = network(rng, 200)
        smallest = conformal.smallest_by_class(labels, logs, 0.9)
        labels, logs = network(rng, 100)
        counts[0] += np.bincount(labels, covered(labels, conformal.prediction_sets(logs, smallest)), 4)
        counts[1] += np.bincount(labels, minlength=4)
    assert (counts[0] / counts[1] > 0.88).all()


@given(count=st.integers(1, 60), coverage=st.sampled_from([0.5, 0.8, 0.9, 0.99]), seed=st.integers(0, 99))
def test_the_threshold_leaves_out_as_many_as_it_may(count, coverage, seed):
    labels, logs = network(np.random.default_rng(seed), count)
    smallest = conformal.smallest_probability(labels, logs, coverage)
    outside = (~covered(labels, conformal.prediction_sets(logs, smallest))).sum()
    allowed = np.floor((count + 1) * (1 - coverage) + 1e-9)
    assert outside == max(allowed - 1, 0)
    assert (smallest == 0) == (allowed == 0)


def test_too_few_examples_promise_everything():
    labels, logs = network(np.random.default_rng(0), 5)
    assert conformal.smallest_probability(labels, logs, 0.9) == 0
    assert conformal.coverage_interval(5, 10, 0.9) == (1, 1)
    assert conformal.smallest_by_class(np.zeros(3, int), logs[:3], 0.5)[1:].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("calibrated", "tested", "coverage"), [(60, 80, 0.9), (3543, 3589, 0.9), (19, 7, 0.95)]
)
def test_the_interval_is_that_of_scipys_beta_binomial(calibrated, tested, coverage):
    left_out = int((calibrated + 1) * (1 - coverage) + 1e-9)
    law = stats.betabinom(tested, calibrated + 1 - left_out, left_out)
    expected = law.ppf([0.025, 0.975]) / tested
    np.testing.assert_allclose(conformal.coverage_interval(calibrated, tested, coverage), expected, atol=1e-9)


def test_sets_from_calibrated_probabilities_are_those_of_the_network():
    """The threshold was found before calibration; the temperature is undone."""
    generator = np.random.default_rng(3)
    logs = with_temperature(generator.normal(size=(200, 5)) * 3, 1.0)
    calibrated = np.exp(with_temperature(logs, 1.7)).astype(np.float32)
    sets = conformal.Sets(0.9, 0.11)
    np.testing.assert_array_equal(sets.members(calibrated, 1.7), conformal.prediction_sets(logs, 0.11))
    certain = np.array([[1.0, 0.0, 0.0]], np.float32)  # a logarithm of 0 is not needed
    assert sets.members(certain, 1.7).tolist() == [[True, False, False]]
