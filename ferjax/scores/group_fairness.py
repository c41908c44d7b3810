"""The usual measures of group fairness, for each class against the rest, from confusion matrices of groups.

Pure NumPy. They are differences between the group with the largest and that with the smallest share, 0 where
all are treated alike; fairlearn's of the same names, where every group has examples of the class and of
others. Being estimates, they are above 0 by chance alone: `ferjax.scores.group_gaps` tells what is real.

Sources: Dwork et al., "Fairness through Awareness" (ITCS 2012), for demographic parity; Hardt, Price &
Srebro, "Equality of Opportunity in Supervised Learning" (NeurIPS 2016), for the other two.
"""

import numpy as np


def fairness(matrices: np.ndarray) -> dict[str, list[float | None]]:
    """Measures differences between groups.

    Args:
        matrices: int `[G, K, K]`, rows actual, columns predicted; G at least 2.

    Returns:
        Each with K values in 0 … 1, None where fewer than two groups have the examples: `demographic_parity`,
        of the share that is called the class; `equal_opportunity`, of the share of the class that is
        recognised; `equalized_odds`, the larger one of that and of the share of the others that is called so.
    """
    actual, called = matrices.sum(2), matrices.sum(1)
    right, total = np.diagonal(matrices, axis1=1, axis2=2), matrices.sum((1, 2))[:, None]
    recognised = _difference(right, actual)
    falsely = _difference(called - right, total - actual)
    return {
        "demographic_parity": _ready(_difference(called, total)),
        "equal_opportunity": _ready(recognised),
        "equalized_odds": _ready(np.fmax(recognised, falsely)),
    }


def _difference(counts: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """Returns the largest less the smallest share of groups `[G, K]` that have examples: `[K]`, or NaN."""
    totals = np.broadcast_to(totals, counts.shape)
    shares = counts / np.maximum(totals, 1)
    largest = np.where(totals > 0, shares, -np.inf).max(0)
    smallest = np.where(totals > 0, shares, np.inf).min(0)
    return np.where((totals > 0).sum(0) > 1, largest - smallest, np.nan)


def _ready(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]
