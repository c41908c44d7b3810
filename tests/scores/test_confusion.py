import json
import warnings

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn import metrics as reference

from ferjax.scores.confusion import (
    accuracy,
    accuracy_interval,
    macro_f1,
    mean_class_accuracy,
    per_class,
    summary,
    weighted_f1,
)

confusions = (
    st.integers(2, 8)
    .flatmap(lambda k: hnp.arrays(np.int64, (k, k), elements=st.integers(0, 9)))
    .filter(lambda counts: counts.any())
)


def pairs(confusion):
    """The labels and predictions that a confusion matrix counts."""
    actual, predicted = np.indices(confusion.shape).reshape(2, -1)
    return np.repeat(actual, confusion.ravel()), np.repeat(predicted, confusion.ravel())


@settings(deadline=None)
@given(confusions)
def test_scores_are_those_of_scikit_learn(confusion):
    actual, predicted = pairs(confusion)
    classes = per_class(confusion)
    everything = np.arange(len(confusion))
    expected = reference.precision_recall_fscore_support(
        actual, predicted, labels=everything, zero_division=0
    )
    for ours, theirs in zip(classes, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    assert accuracy(confusion) == pytest.approx(reference.accuracy_score(actual, predicted))


@settings(deadline=None)
@given(confusions)
def test_means_are_those_of_scikit_learn_over_classes_with_examples(confusion):
    actual, predicted = pairs(confusion)
    present = np.unique(actual)
    f1 = {"labels": present, "zero_division": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of predicted classes without examples
        balanced = reference.balanced_accuracy_score(actual, predicted)
    assert mean_class_accuracy(confusion) == pytest.approx(balanced)
    assert macro_f1(confusion) == pytest.approx(reference.f1_score(actual, predicted, average="macro", **f1))
    assert weighted_f1(confusion) == pytest.approx(
        reference.f1_score(actual, predicted, average="weighted", **f1)
    )


@settings(deadline=None)
@given(confusions, st.data())
def test_the_order_of_the_classes_does_not_matter(confusion, data):
    order = np.array(data.draw(st.permutations(range(len(confusion)))))
    shuffled = confusion[np.ix_(order, order)]
    for metric in (
        accuracy,
        mean_class_accuracy,
        macro_f1,
        weighted_f1,
    ):
        assert metric(shuffled) == pytest.approx(metric(confusion))


@settings(deadline=None, max_examples=30)
@given(confusions)
def test_the_interval_is_wilsons(confusion):
    hits, total = int(np.trace(confusion)), int(confusion.sum())
    expected = binomtest(hits, total).proportion_ci(method="wilson")
    low, high = accuracy_interval(confusion)
    np.testing.assert_allclose([low, high], [expected.low, expected.high], atol=1e-12)
    assert low <= accuracy(confusion) + 1e-12
    assert accuracy(confusion) <= high + 1e-12


def test_a_class_without_examples_is_left_out_of_the_means():
    # Class 2 has no example but one image of class 0 was taken for it.
    confusion = np.array([[3, 0, 1], [0, 4, 0], [0, 0, 0]])
    assert mean_class_accuracy(confusion) == pytest.approx((0.75 + 1) / 2)
    assert macro_f1(confusion) == pytest.approx((6 / 7 + 1) / 2)
    assert per_class(confusion).precision[2] == 0


def test_the_summary_is_json_and_says_the_same():
    confusion = np.array([[5, 1], [2, 8]], np.int64)
    found = summary(confusion, ("sad", "happy"))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["accuracy"] == accuracy(confusion) == 13 / 16
    assert found["macro_f1"] == macro_f1(confusion)
    assert found["weighted_f1"] == weighted_f1(confusion)
    assert found["mean_class_accuracy"] == mean_class_accuracy(confusion)
    assert found["confusion_matrix"] == [[5, 1], [2, 8]]
    assert found["per_class"][1] == {
        "name": "happy",
        "precision": 8 / 9,
        "recall": 0.8,
        "f1": 16 / 19,
        "support": 10,
    }


def test_large_int32_counts_do_not_overflow():
    confusion = np.array([[2**30, 2**30], [2**30, 2**30]], np.int32)
    assert accuracy(confusion) == 0.5
    assert macro_f1(confusion) == 0.5


@pytest.mark.parametrize(
    ("confusion", "message"),
    [
        (np.zeros((2, 3), int), "square"),
        (np.zeros((0, 0), int), "square"),
        (np.ones((2, 2)), "integers"),
        (np.array([[1, -1], [0, 1]]), "negative"),
        (np.zeros((2, 2), int), "no example"),
    ],
)
def test_what_is_not_a_confusion_matrix_is_refused(confusion, message):
    with pytest.raises(ValueError, match=message):
        accuracy(confusion)


def test_names_must_fit_the_matrix():
    with pytest.raises(ValueError, match="2 names for 3 classes"):
        summary(np.eye(3, dtype=int), ("sad", "happy"))
