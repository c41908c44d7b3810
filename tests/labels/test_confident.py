"""Confident learning by hand, by simulation, and beside cleanlab."""

import numpy as np
import pytest

from ferjax.data.label_noise import with_wrong_labels
from ferjax.labels import confident

# Three examples of each of two classes; the third of the first looks like the second.
LABELS = np.array([0, 0, 0, 1, 1, 1])
FIRST = np.array([0.9, 0.8, 0.1, 0.2, 0.3, 0.1])
PROBABILITIES = np.stack([FIRST, 1 - FIRST], axis=1).astype(np.float32)


def simulated(number, noise, seed, sharpness=4.0, shares=None):
    """Actual labels, given ones, and what a network says that has learnt from the given ones."""
    generator = np.random.default_rng(seed)
    classes = 7
    actual = generator.choice(classes, number, p=shares).astype(np.int32)
    given = with_wrong_labels(actual, classes, noise, seed)
    logits = generator.normal(size=(number, classes))
    logits[np.arange(number), actual] += sharpness
    chances = np.exp(logits)
    chances /= chances.sum(1, keepdims=True)
    learnt = (1 - noise) * chances + noise * (1 - chances) / (classes - 1)
    return actual, given, learnt.astype(np.float32)


def test_by_hand():
    noise = confident.estimate(LABELS, PROBABILITIES)
    # Means of the given class: (0.9 + 0.8 + 0.1) / 3 and (0.8 + 0.7 + 0.9) / 3.
    np.testing.assert_allclose(noise.thresholds, [0.6, 0.8], rtol=1e-6)
    # Of the first class two are above 0.6 and one is above 0.8 for the second; of the second two are.
    np.testing.assert_array_equal(noise.counts, [[2, 1], [0, 2]])
    np.testing.assert_allclose(noise.joint, [[2 / 6, 1 / 6], [0, 3 / 6]], rtol=1e-6)
    assert confident.wrong_share(noise.joint) == pytest.approx(1 / 6)
    found = confident.suspects(LABELS, PROBABILITIES, noise)
    assert (found.examples.tolist(), found.suggested.tolist()) == ([2], [1])
    assert found.scores[0] == pytest.approx(0.8)
    joint = confident.suspected_joint(LABELS, found, 2)
    np.testing.assert_allclose(joint, [[2 / 6, 1 / 6], [0, 3 / 6]], rtol=1e-6)
    np.testing.assert_allclose(confident.wrong_by_label(joint), [1 / 3, 0], atol=1e-9)


def test_a_label_that_is_likeliest_is_no_suspect_and_not_counted():
    # The fourth of the first class is above the second's low threshold, yet its own class is likelier.
    labels = np.array([0, 0, 0, 0, 1, 1])
    first = np.array([0.9, 0.9, 0.9, 0.55, 0.6, 0.6])
    probabilities = np.stack([first, 1 - first], axis=1)
    found = confident.find(labels, probabilities)
    assert found.noise.counts[0, 1] == 1
    assert confident.wrong_share(found.noise.joint) > 0
    assert found.share == 0


def test_a_class_without_examples_or_without_a_sure_one():
    probabilities = np.pad(PROBABILITIES, ((0, 0), (0, 1)))
    noise = confident.estimate(LABELS, probabilities)
    assert np.isinf(noise.thresholds[2])
    np.testing.assert_allclose(noise.joint.sum(1), [0.5, 0.5, 0])
    assert np.isnan(confident.wrong_by_label(noise.joint)[2])
    # Whom no class is sure of is taken for right.
    even = confident.estimate(np.array([0, 1, 1]), np.array([[0.5, 0.5], [0.4, 0.6], [0, 1.0]], np.float32))
    np.testing.assert_allclose(even.joint[0], [1 / 3, 0])


def test_weights_are_repetitions():
    _, given, chances = simulated(200, 0.2, seed=0)
    times = np.random.default_rng(1).integers(0, 4, 200)
    weighted = confident.estimate(given, chances, times.astype(float))
    repeated = confident.estimate(np.repeat(given, times), np.repeat(chances, times, axis=0))
    np.testing.assert_allclose(weighted.thresholds, repeated.thresholds)
    np.testing.assert_array_equal(weighted.counts, repeated.counts)
    np.testing.assert_allclose(weighted.joint, repeated.joint)


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.2, 0.3])
@pytest.mark.parametrize("shares", [None, [0.14, 0.03, 0.13, 0.25, 0.17, 0.11, 0.17]], ids=["even", "uneven"])
def test_planted_noise_is_found(noise, shares):
    actual, given, chances = simulated(6000, noise, seed=2, shares=shares)
    found = confident.find(given, chances)
    suspects = found.suspects
    assert abs(found.share - noise) < 0.02
    wrong = given != actual
    if noise:
        assert wrong[suspects.examples].mean() > 0.8
        assert wrong[suspects.examples].sum() > 0.8 * wrong.sum()
        right = suspects.suggested == actual[suspects.examples]
        assert right[wrong[suspects.examples]].mean() > 0.95
    else:
        assert len(suspects.examples) < 6
    assert (np.diff(suspects.scores) <= 0).all()
    assert len(set(suspects.examples.tolist())) == len(suspects.examples)
    assert (given[suspects.examples] != chances[suspects.examples].argmax(1)).all()


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.2, 0.3])
def test_a_weak_network_does_not_inflate_the_estimate(noise):
    # Right about 85 % of the images: the confident joint is too large by up to 4 points.
    _, given, chances = simulated(6000, noise, seed=2, sharpness=2.5)
    found = confident.find(given, chances)
    assert found.share <= confident.wrong_share(found.noise.joint) + 0.001  # rounded by pair
    assert abs(found.share - noise) < 0.025


def test_the_interval_covers_what_other_samples_give():
    """Of 40 samples of 500 the interval holds the mean of all in about 95 %."""
    samples = [simulated(500, 0.2, seed=seed)[1:] for seed in range(40)]
    shares = [confident.find(*sample).share for sample in samples]
    held = 0
    for given, chances in samples:
        low, high = confident.bootstrap(given, chances, np.arange(500), draws=60).share
        held += low <= np.mean(shares) <= high
    assert held >= 34


def test_the_interval_holds_the_estimate_and_people_make_it_wider():
    _, given, chances = simulated(600, 0.2, seed=3)
    alone = confident.bootstrap(given, chances, np.arange(600), draws=60)
    low, high = alone.share
    share = confident.find(given, chances).share
    assert low < share < high
    assert abs((low + high) / 2 - share) < 0.1 * (high - low)  # drawn again, as many are found on average
    assert alone.joint.shape == (2, 7, 7)
    assert alone.given.shape == (2, 7)
    # Whole classes of one person each: every draw lacks some.
    people = confident.bootstrap(given, chances, given.astype(np.int64), draws=60)
    assert np.ptp(people.share) > np.ptp(alone.share)
    again = confident.bootstrap(given, chances, np.arange(600), draws=60)
    np.testing.assert_array_equal(alone.share, again.share)


def test_beside_cleanlab():
    count = pytest.importorskip("cleanlab.count")
    filter_ = pytest.importorskip("cleanlab.filter")
    for seed, noise in ((4, 0.1), (5, 0.3)):
        _, given, chances = simulated(2000, noise, seed)
        found = confident.estimate(given, chances)
        np.testing.assert_allclose(
            found.thresholds, count.get_confident_thresholds(given, chances), rtol=1e-6
        )
        theirs = count.compute_confident_joint(given, chances, calibrate=False)
        np.testing.assert_array_equal(found.counts, theirs)
        # Theirs is made of whole numbers, ours is not.
        joint = count.estimate_joint(given, chances, confident_joint=theirs)
        np.testing.assert_allclose(found.joint, joint, atol=2 / len(given))
        issues = filter_.find_label_issues(given, chances, filter_by="prune_by_noise_rate", n_jobs=1)
        ours = np.zeros(len(given), bool)
        ours[confident.suspects(given, chances, found).examples] = True
        assert (ours != issues).mean() < 0.01
