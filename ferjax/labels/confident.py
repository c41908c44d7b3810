"""Estimates which labels are wrong from out-of-sample probabilities: confident learning.

Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", Journal of
Artificial Intelligence Research 70 (2021). Pure functions of NumPy arrays: N examples, K classes.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int


class Noise(NamedTuple):
    """What is estimated of the labels of a set.

    Attributes:
        thresholds: float64 `[K]`, the mean probability of a class over the examples labelled so; infinite
            for a class without examples.
        counts: `[K, K]`, the confident joint: examples labelled i (rows) that are confidently j (columns);
            int64, or float64 if examples were weighted.
        joint: float64 `[K, K]`, the estimated distribution of given (rows) and actual labels (columns);
            adds up to 1, and every row to the share of its label.
    """

    thresholds: Float[np.ndarray, " K"]
    counts: np.ndarray
    joint: Float[np.ndarray, "K K"]


def thresholds(
    labels: Int[np.ndarray, " N"],
    probabilities: Float[np.ndarray, "N K"],
    weights: Float[np.ndarray, " N"] | None = None,
) -> Float[np.ndarray, " K"]:
    """Computes the mean self-confidence of each class, equation 2 of the paper; see `Noise`."""
    classes = probabilities.shape[1]
    own = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    weights = np.ones(len(labels)) if weights is None else weights
    count = np.bincount(labels, weights, classes)
    total = np.bincount(labels, weights * own, classes)
    return np.divide(total, count, out=np.full(classes, np.inf), where=count > 0)


def confident_classes(
    probabilities: Float[np.ndarray, "N K"], thresholds: Float[np.ndarray, " K"]
) -> Int[np.ndarray, " N"]:
    """Returns the likeliest class among those at or above their threshold, −1 where none is; equation 1."""
    # Sums of equal numbers in another order may differ in their last digits.
    confident = probabilities >= thresholds - 1e-6
    best = np.where(confident, probabilities, -1).argmax(1)
    return np.where(confident[np.arange(len(best)), best], best, -1)


def estimate(
    labels: Int[np.ndarray, " N"],
    probabilities: Float[np.ndarray, "N K"],
    weights: Float[np.ndarray, " N"] | None = None,
) -> Noise:
    """Estimates the joint distribution of given and actual labels.

    Equation 3 of the paper: every row of the confident joint is scaled to the number of examples with that
    label. At least one example of a label counts as right, so that a label without a confident example is
    taken for right.

    Args:
        labels: given, each of 0 … K − 1.
        probabilities: of networks that have not seen the example; rows add up to 1.
        weights: how often each example counts; once if left out.
    """
    classes = probabilities.shape[1]
    limits = thresholds(labels, probabilities, weights)
    likely = confident_classes(probabilities, limits)
    sure = likely >= 0
    cells = labels[sure] * classes + likely[sure]
    counted = None if weights is None else weights[sure]
    counts = np.bincount(cells, counted, classes**2).reshape(classes, classes)
    scaled = counts.astype(np.float64)
    np.fill_diagonal(scaled, np.maximum(np.diag(scaled), 1))
    given = np.bincount(labels, weights, classes)
    scaled *= (given / scaled.sum(1))[:, None]
    return Noise(limits, counts, scaled / scaled.sum())


class Suspects(NamedTuple):
    """Examples whose labels are likely wrong, the worst first.

    Attributes:
        examples: int64 `[S]`, their places among the N.
        suggested: int64 `[S]`, the likelier class.
        scores: float64 `[S]`, by how much it is likelier than the label, in (0, 1].
    """

    examples: Int[np.ndarray, " S"]
    suggested: Int[np.ndarray, " S"]
    scores: Float[np.ndarray, " S"]


def suspects(
    labels: Int[np.ndarray, " N"], probabilities: Float[np.ndarray, "N K"], noise: Noise
) -> Suspects:
    """Finds as many examples of each pair of classes as the joint says there are.

    Pruning by noise rate, section 3.2 of the paper: of the examples labelled i, those N · joint[i, j] with
    the largest margin p_j − p_i. Those whose label is still their likeliest class are left out, and every
    example is named once, with the class of its largest margin.
    """
    suggested, scores = _pruned(labels, _margins(labels, probabilities), noise.joint, np.ones(len(labels)))
    found = np.flatnonzero(scores > 0)
    order = found[np.argsort(-scores[found], kind="stable")]
    return Suspects(order, suggested[order], scores[order])


class _Margins(NamedTuple):
    """By how much each class is likelier than the label, of the examples of one label.

    Attributes:
        members: int64 `[M]`, their places among the N.
        values: float64 `[M, K]`.
        order: int64 `[M, K]`, the members by each class's margin, the largest first.
    """

    members: Int[np.ndarray, " M"]
    values: Float[np.ndarray, "M K"]
    order: Int[np.ndarray, "M K"]


def _margins(labels: np.ndarray, probabilities: np.ndarray) -> list[_Margins]:
    """Returns the margins for each given label."""
    found = []
    for given in range(probabilities.shape[1]):
        members = np.flatnonzero(labels == given)
        chances = probabilities[members].astype(np.float64)
        values = chances - chances[:, given : given + 1]
        found.append(_Margins(members, values, np.argsort(-values, axis=0, kind="stable")))
    return found


def _pruned(
    labels: np.ndarray, margins: list[_Margins], joint: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns for each example the likelier class, and by how much; its label and 0 if it is no suspect."""
    suggested, scores = labels.astype(np.int64), np.zeros(len(labels))
    expected = np.rint(weights.sum() * joint)
    for (members, values, order), count in zip(margins, expected, strict=True):
        if not len(members):
            continue
        among_first = np.empty(values.shape, bool)
        ordered = weights[members][order]
        # An example of which more than half is among the first counts whole: rounded, not cut off.
        np.put_along_axis(among_first, order, np.cumsum(ordered, axis=0) - ordered / 2 <= count, axis=0)
        left = np.where(among_first, values, 0)
        scores[members] = np.maximum(left.max(1), 0)
        suggested[members] = np.where(scores[members] > 0, left.argmax(1), labels[members])
    return suggested, scores


class Finding(NamedTuple):
    """What is wrong with the labels of a set.

    Attributes:
        noise: the confident joint.
        suspects: examples whose labels are likely wrong.
        joint: float64 `[K, K]`, see `suspected_joint`.
    """

    noise: Noise
    suspects: Suspects
    joint: Float[np.ndarray, "K K"]

    @property
    def share(self) -> float:
        """The estimated share of wrong labels, in [0, 1]."""
        return float(wrong_share(self.joint))


def find(labels: Int[np.ndarray, " N"], probabilities: Float[np.ndarray, "N K"]) -> Finding:
    """Estimates how many labels are wrong, and finds which; arguments as of `estimate`."""
    noise = estimate(labels, probabilities)
    found = suspects(labels, probabilities, noise)
    return Finding(noise, found, suspected_joint(labels, found, probabilities.shape[1]))


def suspected_joint(
    labels: Int[np.ndarray, " N"], suspects: Suspects, classes: int
) -> Float[np.ndarray, "K K"]:
    """Returns the distribution of given labels (rows) and what they are if every suspect is wrong (columns).

    What is off its diagonal is ferjax's estimate of wrong labels. But for rounding it is at most that of
    `Noise.joint`, which counts also examples whose label is the network's likeliest class: there it is more
    often the network that errs than the label.
    """
    actual = labels.astype(np.int64)
    actual[suspects.examples] = suspects.suggested
    return _joint(labels, actual, np.ones(len(labels)), classes)


def _joint(labels: np.ndarray, actual: np.ndarray, weights: np.ndarray, classes: int) -> np.ndarray:
    counts = np.bincount(labels * classes + actual, weights, classes**2)
    return counts.reshape(classes, classes) / weights.sum()


def wrong_share(joint: Float[np.ndarray, "... K K"]) -> Float[np.ndarray, "..."]:
    """Returns the share of wrong labels, in [0, 1]: what is off the diagonal."""
    return np.clip(1 - np.trace(joint, axis1=-2, axis2=-1), 0, 1)


class Intervals(NamedTuple):
    """95 % percentile intervals of a bootstrap.

    Attributes:
        share: float64 `[2]`, of the share of wrong labels.
        joint: float64 `[2, K, K]`, of the suspected joint.
        given: float64 `[2, K]`, of the share of wrong labels among each given label; NaN where there is none.
    """

    share: Float[np.ndarray, "2"]
    joint: Float[np.ndarray, "2 K K"]
    given: Float[np.ndarray, "2 K"]


def wrong_by_label(joint: Float[np.ndarray, "... K K"]) -> Float[np.ndarray, "... K"]:
    """Returns the share of wrong labels among the examples of each given label; NaN where there is none."""
    total = joint.sum(-1)
    right = np.diagonal(joint, axis1=-2, axis2=-1)
    return 1 - np.divide(right, total, out=np.full(total.shape, np.nan), where=total > 0)


def bootstrap(
    labels: Int[np.ndarray, " N"],
    probabilities: Float[np.ndarray, "N K"],
    groups: Int[np.ndarray, " N"],
    draws: int = 300,
    seed: int = 0,
) -> Intervals:
    """Draws groups of examples with replacement, estimates again, and finds the suspects again.

    The intervals tell how far the estimate may move with other examples, not with other networks.

    Args:
        labels: see `estimate`.
        probabilities: see `estimate`.
        groups: which examples are drawn together, as those of one person; 0 … G − 1.
        draws: how often.
        seed: of the draws.
    """
    generator = np.random.default_rng(seed)
    number = int(groups.max()) + 1
    margins = _margins(labels, probabilities)
    joints = []
    for _ in range(draws):
        times = np.bincount(generator.integers(number, size=number), minlength=number)
        weights = times[groups].astype(np.float64)
        noise = estimate(labels, probabilities, weights)
        actual, _ = _pruned(labels, margins, noise.joint, weights)
        joints.append(_joint(labels, actual, weights, probabilities.shape[1]))
    drawn = np.stack(joints)
    ends = [0.025, 0.975]
    with np.errstate(invalid="ignore"):
        given = np.nanquantile(wrong_by_label(drawn), ends, axis=0)
    return Intervals(np.quantile(wrong_share(drawn), ends), np.quantile(drawn, ends, axis=0), given)
