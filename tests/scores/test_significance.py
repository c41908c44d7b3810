import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ferjax.errors import UserError
from ferjax.scores import confusion, significance

values = st.lists(st.floats(0, 1, width=32), min_size=2, max_size=20)


@settings(deadline=None)
@given(values)
def test_the_student_interval_is_scipys(sample):
    found = significance.seed_summary(sample)
    assert found.mean == pytest.approx(np.mean(sample))
    assert found.std == pytest.approx(np.std(sample, ddof=1))
    error = found.std / np.sqrt(len(sample))
    if error > 1e-9:
        low, high = stats.t.interval(0.95, len(sample) - 1, found.mean, error)
        assert found.student == pytest.approx((low, high))
        assert found.student.low < found.z.low  # t is wider than 1.96 for every n


def test_the_papers_interval_comes_out():
    """Khan et al. (2023), Table 7: mean 74.923, σ 0.32, n 15 → 74.92 ± 0.1619."""
    sample = np.random.default_rng(0).normal(size=15)
    sample = 74.923 + 0.32 * (sample - sample.mean()) / sample.std(ddof=1)
    found = significance.seed_summary(sample)
    assert found.z == pytest.approx((74.923 - 0.1619, 74.923 + 0.1619), abs=1e-4)


@pytest.mark.parametrize("sample", [[], [0.5]])
def test_one_seed_has_no_interval(sample):
    with pytest.raises(UserError, match=f"needs at least two, got {len(sample)}"):
        significance.seed_summary(sample)
    with pytest.raises(UserError, match="needs at least two"):
        significance.paired(sample, sample)


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 12), st.integers(0, 1000))
def test_the_t_test_is_scipys_and_the_bootstrap_is_near(n, seed):
    generator = np.random.default_rng(seed)
    first = generator.normal(0.7, 0.02, n)
    second = first + generator.normal(0.01, 0.01, n)
    found = significance.paired(first, second)
    expected = stats.ttest_rel(second, first)
    interval = expected.confidence_interval(0.95)
    assert found.p_student == pytest.approx(expected.pvalue)
    assert found.student == pytest.approx((interval.low, interval.high))
    assert found.difference == pytest.approx(np.mean(second - first))
    assert found.bootstrap.low <= found.difference <= found.bootstrap.high
    assert 0 < found.p_bootstrap <= 1
    # The other way round is the same.
    back = significance.paired(second, first)
    assert back.difference == pytest.approx(-found.difference)
    assert back.p_bootstrap == pytest.approx(found.p_bootstrap, abs=0.01)


def test_a_bootstrap_p_is_a_p_value():
    """Without a difference, five in a hundred comparisons have p ≤ 0.05."""
    generator = np.random.default_rng(0)
    found = [significance.paired(np.zeros(15), generator.normal(size=15)).p_bootstrap for _ in range(200)]
    assert 0.02 <= np.mean(np.array(found) <= 0.05) <= 0.11
    far = significance.paired(np.zeros(5), np.array([0.02, 0.03, 0.025, 0.028, 0.031]))
    assert far.p_bootstrap < 0.01
    assert far.student.low > 0


def test_equal_differences_do_not_divide_by_zero():
    assert significance.paired([0.1, 0.2], [0.1, 0.2]).p_student == 1
    assert significance.paired([0.1, 0.2], [0.1, 0.2]).p_bootstrap == 1
    certain = significance.paired([0.0, 0.0], [0.5, 0.5])
    assert certain.p_student == 0
    assert certain.student == (0.5, 0.5)


def test_other_seeds_are_refused():
    with pytest.raises(UserError, match="the same seeds; got 2 and 3"):
        significance.paired([1, 2], [1, 2, 3])


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_mcnemar_is_the_exact_binomial_test(pairs):
    first, second = np.array(pairs).T
    found = significance.mcnemar(first, second)
    assert found.only_first == int((first & ~second).sum())
    assert found.only_second == int((~first & second).sum())
    assert found.difference == pytest.approx(second.mean() - first.mean())
    differing = found.only_first + found.only_second
    expected = stats.binomtest(found.only_first, differing).pvalue if differing else 1
    assert found.p == pytest.approx(expected)
    assert found.bootstrap.low - 1e-12 <= found.difference <= found.bootstrap.high + 1e-12


def test_mcnemar_needs_the_same_images():
    with pytest.raises(UserError, match="the same test images; got 2 and 3"):
        significance.mcnemar(np.ones(2, bool), np.ones(3, bool))
    with pytest.raises(UserError, match="the same test images; got 0 and 0"):
        significance.mcnemar(np.ones(0, bool), np.ones(0, bool))


def test_holm_raises_small_p_values_most_and_keeps_their_order():
    assert significance.holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert significance.holm([0.9, 0.8]) == [1, 1]
    assert significance.holm([]) == []


def test_intervals_over_images_are_near_the_binomials():
    matrix = np.array([[80, 20], [30, 170]])
    found = significance.image_intervals(matrix)
    for name in ("accuracy", "mean_class_accuracy", "macro_f1", "weighted_f1"):
        assert found[name].low < getattr(confusion, name)(matrix) < found[name].high
    assert found["accuracy"] == pytest.approx(confusion.accuracy_interval(matrix), abs=0.012)
    assert significance.image_intervals(matrix) == found  # the same numbers in, the same out
    faultless = significance.image_intervals(np.diag([5, 5, 0]))
    assert faultless["macro_f1"] == (1, 1)
