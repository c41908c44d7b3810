import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression

from ferjax.scores import calibration


def said(n=4000, classes=5, sharpness=1.0, seed=0):
    """Labels drawn from softmax(logits), and what a network says that multiplies its logits."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 1.5, (n, classes))
    chances = np.exp(log_softmax(logits, axis=-1)).cumsum(-1)
    labels = (generator.uniform(size=(n, 1)) > chances).sum(-1).clip(0, classes - 1)
    return labels, log_softmax(sharpness * logits, axis=-1).astype(np.float32)


def test_the_bins_are_those_of_scikit_learn():
    labels, chances = said()
    found = calibration.reliability(labels, chances)
    right = chances.argmax(-1) == labels
    accuracy, confidence = calibration_curve(right, np.exp(chances.max(-1)), n_bins=calibration.BINS)
    filled = found.count > 0
    np.testing.assert_allclose(found.accuracy[filled], accuracy, rtol=1e-6)
    np.testing.assert_allclose(found.confidence[filled], confidence, rtol=1e-6)
    assert found.count.sum() == len(labels)


def test_the_error_is_zero_if_probabilities_are_what_happens_and_large_if_not():
    honest = np.log(np.array([[0.75, 0.25]] * 4))
    assert calibration.reliability(np.array([0, 0, 0, 1]), honest).error == pytest.approx(0, abs=1e-7)
    sure_and_wrong = np.array([[0.0, -50.0]] * 4)
    assert calibration.reliability(np.ones(4, int), sure_and_wrong).error == pytest.approx(1)


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_what_made_it_sure(sharpness):
    labels, chances = said(sharpness=sharpness)
    temperature = calibration.fit_temperature(labels, chances)
    assert temperature == pytest.approx(sharpness, rel=0.06)
    scaled = calibration.with_temperature(chances, temperature)
    best = calibration.cross_entropy(labels, scaled)
    for other in (0.97 * temperature, 1.03 * temperature):
        assert best < calibration.cross_entropy(labels, calibration.with_temperature(chances, other))
    np.testing.assert_array_equal(scaled.argmax(-1), chances.argmax(-1))
    np.testing.assert_allclose(np.exp(scaled).sum(-1), 1)
    assert calibration.reliability(labels, scaled).error < 0.03


def test_of_two_classes_it_is_platts_slope():
    """A logistic regression without intercept on the difference of two logits, with Platt's targets."""
    labels, chances = said(classes=2, sharpness=2.0)
    difference = (chances[:, 1] - chances[:, 0])[:, None]
    certain = (len(labels) + 1) / (len(labels) + 2)
    model = LogisticRegression(C=1e9, fit_intercept=False, tol=1e-9).fit(
        np.concatenate([difference, difference]),
        np.concatenate([labels, 1 - labels]),
        sample_weight=np.repeat([certain, 1 - certain], len(labels)),
    )
    temperature = calibration.fit_temperature(labels, chances)
    assert 1 / temperature == pytest.approx(float(model.coef_[0, 0]), rel=1e-4)


@pytest.mark.parametrize(("examples", "sure"), [(10, 0.75), (48, 0.9), (4000, 0.999)])
def test_a_few_right_answers_do_not_make_it_certain(examples, sure):
    """About N answers of which none was wrong, one may be sure by (N + 1) / (N + 2), of two classes."""
    labels = np.arange(examples) % 2
    always_right = np.log(np.where(np.arange(2) == labels[:, None], 0.9, 0.1))
    scaled = calibration.with_temperature(always_right, calibration.fit_temperature(labels, always_right))
    said_of_the_actual = np.exp(scaled[np.arange(examples), labels])
    np.testing.assert_allclose(said_of_the_actual, (examples + 1) / (examples + 2), rtol=1e-6)
    assert (said_of_the_actual > sure).all()


def test_always_wrong_takes_the_end_of_the_range():
    always_wrong = np.log(np.array([[0.9, 0.1], [0.1, 0.9]]))
    assert calibration.fit_temperature(np.array([1, 0]), always_wrong) == pytest.approx(20)
