"""Tells real differences from chance: intervals over seeds and over test images, paired tests. Pure NumPy.

Two questions must not be mixed up. Over *seeds*: how far does the number move when the same recipe is
trained again? Over *images*: how far would it move on another test set of this size? All intervals are at
95 %, all tests two-sided. Resampling is seeded: equal inputs give equal results.

scipy.special is imported where it is needed: its eighth of a second is more than a first answer of `predict`
or a first step should wait. scipy.stats would take longer still.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ferjax.errors import UserError
from ferjax.scores.confusion import stacked_scores

LEVEL = 0.95
Z = 1.96  # as the papers round it
RESAMPLES = 10_000
# Of a whole matrix, which takes longer than a mean.
MATRIX_RESAMPLES = 1_000


class Interval(NamedTuple):
    """A 95 % interval."""

    low: float
    high: float


class SeedSummary(NamedTuple):
    """A score over n seeds: `std` is the sample's (n − 1); `z` and `student` are intervals of the mean."""

    n: int
    mean: float
    std: float
    z: Interval
    student: Interval


def seed_summary(values: Sequence[float] | np.ndarray) -> SeedSummary:
    """Computes the mean and its 95 % intervals of a number that was measured once for each seed.

    `z` is x ± 1.96 · σ / √n, as Khan et al. (2023, equation 7) have it; `student` takes Student's t with
    n − 1 degrees of freedom in place of 1.96, which a small n needs.

    Args:
        values: one number a seed.

    Raises:
        UserError: fewer than two.
    """
    from scipy import special  # see the module

    sample = _sample(values)
    mean, std = float(sample.mean()), float(sample.std(ddof=1))
    error = std / np.sqrt(len(sample))
    t = float(special.stdtrit(len(sample) - 1, (1 + LEVEL) / 2))
    return SeedSummary(len(sample), mean, std, _around(mean, Z * error), _around(mean, t * error))


class Paired(NamedTuple):
    """The difference second − first over the same seeds.

    Attributes:
        n: pairs.
        difference: the mean of the differences.
        std: the standard deviation of the differences (n − 1).
        student: interval of `difference`, by Student's t.
        bootstrap: interval of `difference`, by resampling the pairs.
        p_bootstrap: how often a resampled mean is as far from 0 if the true difference is 0.
        p_student: p value of the paired t test.
    """

    n: int
    difference: float
    std: float
    student: Interval
    bootstrap: Interval
    p_bootstrap: float
    p_student: float


def paired(first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray) -> Paired:
    """Compares two recipes that were trained with the same seeds.

    The bootstrap resamples differences, spread by √(n / (n − 1)) so that their variance is the sample's: with
    few seeds it would otherwise find differences that are not there (Davison and Hinkley, 1997, section 2.5).

    Args:
        first: one number a seed.
        second: one number a seed, of the same seeds in the same order.

    Raises:
        UserError: fewer than two pairs, or the two differ in length.
    """
    if len(first) != len(second):
        raise UserError(f"a paired comparison needs the same seeds; got {len(first)} and {len(second)}")
    differences = _sample(np.asarray(second, np.float64) - np.asarray(first, np.float64))
    n, mean, summary = len(differences), float(differences.mean()), seed_summary(differences)
    spread = (differences - mean) * np.sqrt(n / (n - 1))
    draws = np.random.default_rng(0).integers(0, n, (RESAMPLES, n))
    means = spread[draws].mean(axis=1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    far = np.abs(means) >= abs(mean) - 1e-12
    return Paired(
        n,
        mean,
        summary.std,
        summary.student,
        Interval(float(mean + low), float(mean + high)),
        float((1 + far.sum()) / (1 + RESAMPLES)),
        _student_p(mean, summary.std / np.sqrt(n), n - 1),
    )


class McNemar(NamedTuple):
    """The comparison of two networks on the same test images.

    Attributes:
        n: images.
        only_first: images that only the first network has right.
        only_second: images that only the second has right.
        difference: accuracy of the second − accuracy of the first.
        bootstrap: interval of `difference` over test images.
        p: p value of the exact test: if both were equally good, `only_second` would be binomial with 1/2.
    """

    n: int
    only_first: int
    only_second: int
    difference: float
    bootstrap: Interval
    p: float


def mcnemar(first_right: np.ndarray, second_right: np.ndarray) -> McNemar:
    """Runs McNemar's exact test (McNemar, 1947) and a paired bootstrap over images.

    It tells two trained networks apart, not two recipes: those need several seeds, see `paired`.

    Args:
        first_right: bool `[N]`, the images that the first network has right.
        second_right: bool `[N]`, those that the second has right, in the same order.

    Raises:
        UserError: the two differ in length or are empty.
    """
    from scipy import special  # see the module

    first_right, second_right = np.asarray(first_right, bool), np.asarray(second_right, bool)
    if first_right.shape != second_right.shape or not len(first_right):
        raise UserError(
            f"McNemar's test needs the same test images; got {len(first_right)} and {len(second_right)}"
        )
    n = len(first_right)
    only_first = int((first_right & ~second_right).sum())
    only_second = int((second_right & ~first_right).sum())
    differing = only_first + only_second
    p = min(1.0, 2 * float(special.bdtr(min(only_first, only_second), differing, 0.5)))
    shares = np.array([only_first, only_second, n - differing]) / n
    draws = np.random.default_rng(0).multinomial(n, shares, RESAMPLES)
    low, high = np.quantile((draws[:, 1] - draws[:, 0]) / n, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    difference = (only_second - only_first) / n
    return McNemar(n, only_first, only_second, difference, Interval(float(low), float(high)), p)


def holm(p_values: Sequence[float]) -> list[float]:
    """Corrects the p values of several tests for their number (Holm, 1979); same order as given."""
    order = np.argsort(p_values, kind="stable")
    raised = np.asarray(p_values)[order] * np.arange(len(order), 0, -1)
    corrected = np.empty(len(order))
    corrected[order] = np.minimum(1, np.maximum.accumulate(raised))
    return corrected.tolist()


def image_intervals(confusion: np.ndarray) -> dict[str, Interval]:
    """Computes bootstrap intervals, over test images, of the scores that a confusion matrix gives.

    Resampling images and counting them is the same as drawing the counts of the cells (multinomial).

    Args:
        confusion: integers `[K, K]`, rows actual, columns predicted.

    Returns:
        Intervals of `accuracy`, `mean_class_accuracy`, `macro_f1` and `weighted_f1`, by name.
    """
    counts = np.asarray(confusion)
    total = int(counts.sum())
    draws = np.random.default_rng(0).multinomial(total, counts.ravel() / total, MATRIX_RESAMPLES)
    scores = stacked_scores(draws.reshape(-1, *counts.shape))
    ends = {name: np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) for name, values in scores.items()}
    return {name: Interval(float(low), float(high)) for name, (low, high) in ends.items()}


def _sample(values: Sequence[float] | np.ndarray) -> np.ndarray:
    sample = np.asarray(values, np.float64)
    if len(sample) < 2:
        raise UserError(
            f"an interval over seeds needs at least two, got {len(sample)}: one run cannot tell how far the "
            "number moves with the seed"
        )
    return sample


def _around(centre: float, half: float) -> Interval:
    return Interval(float(centre - half), float(centre + half))


def _student_p(mean: float, error: float, freedom: int) -> float:
    from scipy import special  # see the module

    if error == 0:  # every difference is the same
        return 1.0 if mean == 0 else 0.0
    return float(2 * special.stdtr(freedom, -abs(mean) / error))
