"""Ranking metrics, one class against the rest: ROC-AUC and average precision. Pure NumPy.

Both lie in [0, 1] and are NaN for a class where they are undefined: ROC-AUC needs an example of the class and
one of another, average precision one of the class.
"""

import numpy as np


def roc_auc(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Computes each class's area under the ROC curve: how often its examples score above those of others.

    Ties count one half (Mann and Whitney, 1947), as in scikit-learn's `roc_auc_score`.

    Args:
        labels: int `[N]`.
        scores: float `[N, K]`, one a class; any increasing function of a probability gives the same areas.

    Returns:
        float64 `[K]`.
    """
    areas = np.full(scores.shape[1], np.nan)
    for k in range(scores.shape[1]):
        of_class = labels == k
        positives, negatives = of_class.sum(), (~of_class).sum()
        if positives and negatives:
            rank_sum = ranks(scores[:, k])[of_class].sum()
            areas[k] = (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)
    return areas


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks values from 1 for the smallest; equal values share the mean of their ranks.

    >>> ranks(np.array([0.2, 0.1, 0.2])).tolist()
    [2.5, 1.0, 2.5]

    Args:
        values: numbers `[N]`.

    Returns:
        float64 `[N]`.
    """
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


def average_precision(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Computes each class's average precision: its mean over the recalls reached, without interpolation.

    Same as scikit-learn's `average_precision_score`: Σ (Rᵢ − Rᵢ₋₁) · Pᵢ over the distinct scores, highest
    first.

    Args:
        labels: int `[N]`.
        scores: float `[N, K]`.

    Returns:
        float64 `[K]`.
    """
    precisions = np.full(scores.shape[1], np.nan)
    for k in range(scores.shape[1]):
        of_class = labels == k
        if not of_class.any():
            continue
        order = np.argsort(-scores[:, k], kind="stable")
        falling, hits = scores[order, k], np.cumsum(of_class[order])
        last = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)  # place of each group of ties
        precision, recall = hits[last] / (last + 1), hits[last] / hits[-1]
        precisions[k] = np.sum(np.diff(recall, prepend=0) * precision)
    return precisions


def mean(values: np.ndarray) -> float:
    """Returns the mean of the classes that have a value; NaN if none has."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
