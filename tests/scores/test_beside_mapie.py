"""Conformal sets beside MAPIE's, on the same probabilities."""

import numpy as np
import pytest

from ferjax.scores import conformal

mapie = pytest.importorskip("mapie.classification")
CLASSES = 4


def answers(rng, count):
    """Labels, and probabilities that know a little about them."""
    labels = rng.integers(CLASSES, size=count)
    logits = rng.normal(size=(count, CLASSES)) + 1.5 * np.eye(CLASSES)[labels]
    chances = np.exp(logits)
    return labels, chances / chances.sum(-1, keepdims=True)


class Given:
    """A fitted classifier of scikit-learn's kind whose probabilities are the examples themselves."""

    def __init__(self):
        self.classes_ = np.arange(CLASSES)
        self.n_features_in_ = CLASSES

    def fit(self, examples, labels):
        return self

    def predict_proba(self, examples):
        return examples

    def predict(self, examples):
        return examples.argmax(-1)

    def __sklearn_is_fitted__(self):
        return True


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9, 0.95])
def test_thresholds_and_sets_are_mapies(coverage):
    rng = np.random.default_rng(0)
    labels, chances = answers(rng, 357)
    other = mapie.SplitConformalClassifier(
        Given(), confidence_level=coverage, conformity_score="lac", prefit=True
    )
    other.conformalize(chances, labels)
    _, test = answers(rng, 500)
    theirs = other.predict_set(test)[1][:, :, 0]

    smallest = conformal.smallest_probability(labels, np.log(chances), coverage)
    np.testing.assert_array_equal(conformal.prediction_sets(np.log(test), smallest), theirs)
