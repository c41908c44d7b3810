"""ROC-AUC and average precision against scikit-learn."""

import warnings

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from ferjax.scores import ranking

examples = st.tuples(st.integers(1, 40), st.integers(2, 5)).flatmap(
    lambda shape: st.tuples(
        hnp.arrays(np.int64, shape[0], elements=st.integers(0, shape[1] - 1)),
        # Few values, so that there are ties.
        hnp.arrays(np.float64, shape, elements=st.integers(0, 6).map(lambda tenths: tenths / 10)),
    )
)


@settings(deadline=None, max_examples=40)
@given(examples)
def test_both_are_those_of_scikit_learn(drawn):
    labels, scores = drawn
    areas, precisions = ranking.roc_auc(labels, scores), ranking.average_precision(labels, scores)
    for k in range(scores.shape[1]):
        of_class = labels == k
        if of_class.any() and not of_class.all():
            assert areas[k] == pytest.approx(reference.roc_auc_score(of_class, scores[:, k]))
        else:
            assert np.isnan(areas[k])
        if of_class.any():
            expected = reference.average_precision_score(of_class, scores[:, k])
            assert precisions[k] == pytest.approx(expected)
        else:
            assert np.isnan(precisions[k])


def test_means_of_one_against_the_rest_are_scikit_learns():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 4, 200)
    scores = generator.dirichlet(np.ones(4), 200)
    expected = reference.roc_auc_score(labels, scores, multi_class="ovr")
    assert ranking.mean(ranking.roc_auc(labels, scores)) == pytest.approx(expected)


def test_a_mean_leaves_out_what_has_no_value():
    assert ranking.mean(np.array([0.5, np.nan, 1.0])) == 0.75
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(ranking.mean(np.array([np.nan])))
