"""Risk and coverage: how often a network is wrong about those examples that it is most sure of. Pure NumPy.

Sources: El-Yaniv & Wiener, "On the Foundations of Noise-free Selective Classification" (JMLR 2010); Geifman,
Uziel & El-Yaniv, "Bias-Reduced Uncertainty Estimation for Deep Neural Classifiers" (ICLR 2019) for the area.
"""

import numpy as np


def risk_by_coverage(labels: np.ndarray, log_probabilities: np.ndarray) -> np.ndarray:
    """Returns the share of wrong answers among the n examples with the highest probabilities, n = 1 … N.

    Examples of one probability are taken together: each of them counts with their mean.

    Args:
        labels: int `[N]`, N at least 1.
        log_probabilities: float `[N, K]`.

    Returns:
        float64 `[N]`; element n − 1 is the risk at coverage n / N.
    """
    wrong = (log_probabilities.argmax(-1) != labels).astype(np.float64)
    sure = log_probabilities.max(-1)
    values, place = np.unique(-sure, return_inverse=True)
    count = np.bincount(place, minlength=len(values))
    mean = np.bincount(place, weights=wrong, minlength=len(values)) / count
    return np.cumsum(np.repeat(mean, count)) / np.arange(1, len(labels) + 1)


def area(risk: np.ndarray) -> float:
    """Returns the area under the risk–coverage curve, in [0, 1]: the mean risk over all coverages.

    Lower is better; a network that is sure at random has its error rate as area.
    """
    return float(risk.mean())
