"""Classification metrics from a confusion matrix: pure NumPy, one matrix in, numbers out.

A confusion matrix is an integer array `[K, K]`: rows are the actual classes, columns the predicted
ones. Matrices of batches and hosts add up, so every number here is computed over the whole split and
is never a mean of batch means. All results lie in [0, 1].

Two conventions hold everywhere:

- A ratio with a zero denominator is 0 (scikit-learn's `zero_division=0`): the precision of a class
  that was never predicted, the recall of a class without examples.
- Means over classes leave out classes with zero support (no actual example), whose recall and F1
  say nothing about the network. They still count as wrong predictions for the other classes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class PerClass(NamedTuple):
    """Metrics of each class: float64 `[K]` in [0, 1], and `support`, the actual examples, int64 `[K]`."""

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray


def _checked(confusion: np.ndarray) -> np.ndarray:
    counts = np.asarray(confusion)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or counts.shape[0] == 0:
        raise ValueError(f"a confusion matrix is square, [K, K]; got shape {counts.shape}")
    if not np.issubdtype(counts.dtype, np.integer):
        raise ValueError(f"a confusion matrix counts examples in integers; got {counts.dtype}")
    if (counts < 0).any():
        raise ValueError("a confusion matrix has no negative counts")
    if not counts.any():
        raise ValueError("the confusion matrix counts no example, so it has no metrics")
    return counts.astype(np.int64)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Divides element by element; 0 where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.zeros(len(numerator)), where=denominator != 0)


def accuracy(confusion: np.ndarray) -> float:
    """Returns the share of examples on the diagonal.

    Args:
        confusion: integers `[K, K]`, rows actual, columns predicted.

    Raises:
        ValueError: it is not a square matrix of counts, or it counts no example (as in all functions below).
    """
    counts = _checked(confusion)
    return float(np.trace(counts) / counts.sum())


def accuracy_interval(confusion: np.ndarray) -> tuple[float, float]:
    """Returns the 95 % Wilson score interval of the accuracy.

    It covers the sampling of the test images only, not the spread between seeds.
    """
    counts = _checked(confusion)
    n, share, z = counts.sum(), accuracy(counts), 1.959963984540054
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return float(max(0.0, centre - half)), float(min(1.0, centre + half))


def per_class(confusion: np.ndarray) -> PerClass:
    """Computes precision, recall, F1 and support of every class; zeros for a class without examples."""
    counts = _checked(confusion)
    hits, support, predicted = np.diagonal(counts), counts.sum(axis=1), counts.sum(axis=0)
    return PerClass(
        precision=_ratio(hits, predicted),
        recall=_ratio(hits, support),
        f1=_ratio(2 * hits, support + predicted),
        support=support,
    )


def mean_class_accuracy(confusion: np.ndarray) -> float:
    """Returns the mean recall over classes with examples (balanced accuracy): each class weighs the same."""
    classes = per_class(confusion)
    return float(classes.recall[classes.support > 0].mean())


def macro_f1(confusion: np.ndarray) -> float:
    """Returns the mean F1 over the classes with examples: each class weighs the same."""
    classes = per_class(confusion)
    return float(classes.f1[classes.support > 0].mean())


def weighted_f1(confusion: np.ndarray) -> float:
    """Returns the mean F1 weighted by support: each example weighs the same."""
    classes = per_class(confusion)
    return float(np.average(classes.f1, weights=classes.support))


def stacked_scores(confusions: np.ndarray) -> dict[str, np.ndarray]:
    """Computes the four scores of many confusion matrices at once, for resampling.

    Args:
        confusions: integers `[..., K, K]`, each of which counts an example; not checked.

    Returns:
        `accuracy`, `mean_class_accuracy`, `macro_f1` and `weighted_f1`, float64 `[...]`, as the functions of
        these names give them.
    """
    hits = np.diagonal(confusions, axis1=-2, axis2=-1)
    support, predicted = confusions.sum(-1), confusions.sum(-2)
    present = support > 0
    recall = hits / np.maximum(support, 1)
    f1 = 2 * hits / np.maximum(support + predicted, 1)
    total = support.sum(-1)
    return {
        "accuracy": hits.sum(-1) / total,
        "mean_class_accuracy": (recall * present).sum(-1) / present.sum(-1),
        "macro_f1": (f1 * present).sum(-1) / present.sum(-1),
        "weighted_f1": (f1 * support).sum(-1) / total,
    }


def most_confused(confusion: np.ndarray, pairs: int) -> list[tuple[int, int]]:
    """Lists the most frequent confusions (actual class, predicted class), by share of the actual class.

    Args:
        confusion: integers `[K, K]`, rows actual, columns predicted.
        pairs: how many at most; a pair without examples is left out.
    """
    counts = _checked(confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    np.fill_diagonal(shares, 0)
    order = np.argsort(-shares, axis=None, kind="stable")[:pairs]
    places = zip(*np.unravel_index(order, shares.shape), strict=True)
    return [(int(row), int(column)) for row, column in places if shares[row, column] > 0]


def summary(confusion: np.ndarray, label_names: Sequence[str]) -> dict:
    """Computes every metric of a confusion matrix, ready for JSON.

    Args:
        confusion: integers `[K, K]`, rows actual, columns predicted.
        label_names: the K class names, in the matrix's order.

    Returns:
        `accuracy`, `mean_class_accuracy`, `macro_f1`, `weighted_f1` (floats), `per_class` (K rows of
        name, precision, recall, f1, support) and `confusion_matrix` (K lists of K ints).

    Raises:
        ValueError: the matrix is malformed, empty, or does not fit the names.
    """
    classes = per_class(confusion)
    if len(label_names) != len(classes.support):
        raise ValueError(f"{len(label_names)} names for {len(classes.support)} classes")
    rows = [
        {"name": name, "precision": float(p), "recall": float(r), "f1": float(f), "support": int(n)}
        for name, p, r, f, n in zip(label_names, *classes, strict=True)
    ]
    return {
        "accuracy": accuracy(confusion),
        "mean_class_accuracy": mean_class_accuracy(confusion),
        "macro_f1": macro_f1(confusion),
        "weighted_f1": weighted_f1(confusion),
        "per_class": rows,
        "confusion_matrix": np.asarray(confusion).tolist(),
    }
