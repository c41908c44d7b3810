"""Answers that are not relied on: below which probability the most likely class is called unsure.

Pure NumPy. Source: Geifman and El-Yaniv, "Selective Classification for Deep Neural Networks" (NeurIPS 2017).
"""

from typing import NamedTuple

import numpy as np

_STEPS = 100  # thresholds that are tried: 0.00, 0.01, …, 0.99


class Unsure(NamedTuple):
    """A threshold, and what it gave where it was chosen.

    Attributes:
        below: answers whose probability is lower are unsure; in [0, 1).
        accuracy: the share of the other answers that is right.
        coverage: the share of all answers that the others are.
    """

    below: float
    accuracy: float
    coverage: float


def kept(labels: np.ndarray, log_probabilities: np.ndarray, below: float) -> Unsure:
    """Measures a threshold; the accuracy of no answer at all is NaN.

    Args:
        labels: int `[N]`.
        log_probabilities: float `[N, K]`, calibrated.
        below: the threshold.
    """
    sure = np.exp(np.asarray(log_probabilities, np.float64).max(-1)) >= below
    right = log_probabilities.argmax(-1) == labels
    return Unsure(below, float(right[sure].mean()) if sure.any() else np.nan, float(sure.mean()))


def choose(labels: np.ndarray, log_probabilities: np.ndarray, level: float) -> Unsure | None:
    """Finds the smallest threshold, in hundredths, whose kept answers are right often enough.

    Args:
        labels: int `[N]`, of validation, never of test.
        log_probabilities: float `[N, K]`, calibrated.
        level: the accuracy that the kept answers shall reach, in [0, 1].

    Returns:
        The threshold; None if no threshold reaches the level.
    """
    tried = (kept(labels, log_probabilities, step / _STEPS) for step in range(_STEPS))
    return next((one for one in tried if one.accuracy >= level), None)


def parsed(value: object) -> Unsure | None:
    """Reads a threshold that was stored as a JSON object; None if it is none.

    >>> parsed({"below": 0.5, "accuracy": 0.8, "coverage": 0.75})
    Unsure(below=0.5, accuracy=0.8, coverage=0.75)
    """
    if not isinstance(value, dict) or value.keys() != {*Unsure._fields}:
        return None
    shares = all(type(number) in (int, float) and 0 <= number <= 1 for number in value.values())
    return Unsure(**value) if shares else None
