"""How well probabilities put the examples of a class before the others, one against the rest. Pure NumPy.

Both numbers lie in [0, 1] and are NaN for a class that they say nothing about: ROC-AUC needs an example of
the class and one of another, average precision one of the class.
"""

import numpy as np


def roc_auc(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The area under each class's ROC curve: how often an example of the class scores above one of another.

    Ties count one half (Mann and Whitney, 1947), as in scikit-learn's `roc_auc_score`.

    Args:
        labels: int `[N]`.
        scores: float `[N, K]`, of each class; any increasing function of a probability gives the same.

    Returns:
        float64 `[K]`.
    """
    found = np.full(scores.shape[1], np.nan)
    for k in range(scores.shape[1]):
        of_class = labels == k
        positives, negatives = of_class.sum(), (~of_class).sum()
        if positives and negatives:
            ranks = _ranks(scores[:, k])[of_class].sum()
            found[k] = (ranks - positives * (positives + 1) / 2) / (positives * negatives)
    return found


def _ranks(values: np.ndarray) -> np.ndarray:
    """1 for the smallest; equal values share the mean of their ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


def average_precision(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The mean of each class's precision at every recall that it reaches, without interpolation.

    As in scikit-learn's `average_precision_score`: Σ (Rᵢ − Rᵢ₋₁) · Pᵢ over the distinct scores, falling.

    Args:
        labels: int `[N]`.
        scores: float `[N, K]`.

    Returns:
        float64 `[K]`.
    """
    found = np.full(scores.shape[1], np.nan)
    for k in range(scores.shape[1]):
        of_class = labels == k
        if not of_class.any():
            continue
        order = np.argsort(-scores[:, k], kind="stable")
        falling, hits = scores[order, k], np.cumsum(of_class[order])
        last = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)  # of each group of ties
        precision, recall = hits[last] / (last + 1), hits[last] / hits[-1]
        found[k] = np.sum(np.diff(recall, prepend=0) * precision)
    return found


def mean(values: np.ndarray) -> float:
    """The mean of the classes that have a value; NaN if none has."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
