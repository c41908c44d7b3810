"""Finds the largest gaps between groups of people or pictures, and whether they are real.

If the network treated all groups of an attribute alike, their scores would still differ by
chance. That is simulated from the pooled answers of all groups (a bootstrap under the null hypothesis), and
the gap is compared with the largest of all pairs of groups there, each in units of its own spread, so that
having looked for the largest one is paid for (the single-step method of Westfall & Young, "Resampling-Based
Multiple Testing", 1993, section 2.3). The p values of all attributes and scores are then corrected by Holm's
method.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ferjax.scores.confusion import stacked_scores
from ferjax.scores.significance import Interval, holm

SCORES = ("accuracy", "mean_class_accuracy", "macro_f1")
# Of the null hypothesis. The smallest p value is 1 / (1 + draws), and Holm's method multiplies it by the
# number of tests: of eight attributes, which have 28 pairs, any gap can still be found to be real.
RESAMPLES = 4_000
CLASS_RESAMPLES = 2_000  # each draws whole matrices, which takes longer than shares


class Gap(NamedTuple):
    """The largest difference between two groups.

    Attributes:
        high: the place of the group with the higher score.
        low: the place of the other one.
        gap: of the scores, at least 0.
        p: how often a gap that stands out as much comes by chance, if all groups are treated alike.
    """

    high: int
    low: int
    gap: float
    p: float


def largest_gaps(matrices: np.ndarray, seed: int = 0) -> dict[str, Gap]:
    """Finds the largest gap of each score between groups, and how likely chance makes one that stands out so.

    For the accuracy the null hypothesis is that an example of any group is right with the same chance. For
    the other scores it is that the answers to a class have the same chances in every group: the groups keep
    their numbers of each class, so that a gap which comes from rare or missing classes alone is not real.

    Args:
        matrices: int `[G, K, K]`, the confusion matrices of the groups to compare.
        seed: of the resampling.

    Returns:
        One of `SCORES` → its gap; empty for fewer than two groups.
    """
    if len(matrices) < 2:
        return {}
    rng = np.random.default_rng(seed)
    alike = _scores_alike(matrices, rng) | {"accuracy": _accuracies_alike(matrices, rng)}
    values = stacked_scores(matrices)
    return {score: _largest_gap(values[score], alike[score]) for score in SCORES}


def _largest_gap(values: np.ndarray, alike: np.ndarray) -> Gap:
    """Finds the largest gap of the scores `[G]` and its p value by draws of the null hypothesis `[R, G]`."""
    high, low = int(values.argmax()), int(values.argmin())
    if high == low:  # all are equal
        return Gap(0, 1, 0.0, 1.0)
    first, second = np.triu_indices(len(values), 1)
    differences = alike[:, first] - alike[:, second]
    centre, spread = differences.mean(0), differences.std(0)
    spread = np.where(spread > 0, spread, np.inf)
    chance = np.abs((differences - centre) / spread).max(1)
    at = np.flatnonzero((first == min(high, low)) & (second == max(high, low)))[0]
    seen = abs((values[first[at]] - values[second[at]] - centre[at]) / spread[at])
    p = (1 + (chance >= seen - 1e-9).sum()) / (1 + len(chance))
    return Gap(high, low, float(values[high] - values[low]), float(p))


def _accuracies_alike(matrices: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draws the accuracies of the groups if all are right equally often: float64 `[R, G]`."""
    sizes = matrices.sum((1, 2))
    right = np.trace(matrices, axis1=1, axis2=2)
    return rng.binomial(sizes, right.sum() / sizes.sum(), (RESAMPLES, len(sizes))) / sizes


def _scores_alike(matrices: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draws the scores of the groups if each class is answered alike in all: float64 `[R, G]` each."""
    support, whole = matrices.sum(2), matrices.sum(0)
    # One more example, spread over all answers: the chances are estimates, which alone would vary too little.
    chances = (whole + 1 / len(whole)) / (whole.sum(1, keepdims=True) + 1)
    drawn = [
        stacked_scores(rng.multinomial(group, chances, (CLASS_RESAMPLES, len(group)))) for group in support
    ]
    return {score: np.stack([scores[score] for scores in drawn], 1) for score in drawn[0]}


def corrected(gaps: Mapping[Any, Mapping[str, Gap]]) -> dict[Any, dict[str, Gap]]:
    """Corrects the p values of gaps for their number, by Holm's method.

    Args:
        gaps: attribute, or pair of attributes → what `largest_gaps` found.

    Returns:
        The same with larger p values: the chance that any of them is below 0.05 is 0.05 where no gap is real.
    """
    places = [(key, score) for key, each in gaps.items() for score in each]
    ps = holm([gaps[key][score].p for key, score in places])
    raised: dict[Any, dict[str, Gap]] = {key: {} for key in gaps}
    for (key, score), p in zip(places, ps, strict=True):
        raised[key][score] = gaps[key][score]._replace(p=p)
    return raised


def difference_interval(
    first: float, first_ends: Sequence[float], second: float, second_ends: Sequence[float]
) -> Interval:
    """Combines the intervals of two independent numbers into one of first − second.

    Source: Zou & Donner, "Construction of confidence limits about effect measures" (2008), equation 6; for
    two shares with Wilson's intervals it is Newcombe's method 10 (1998).
    """
    difference = first - second
    below = np.hypot(first - first_ends[0], second_ends[1] - second)
    above = np.hypot(first_ends[1] - first, second - second_ends[0])
    return Interval(float(difference - below), float(difference + above))
