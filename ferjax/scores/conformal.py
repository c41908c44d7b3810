"""Conformal prediction: sets of classes that hold the actual one with a stated chance.

Pure NumPy and SciPy's special functions. Calibration and test examples must be exchangeable, such as two
random parts of one data set; on other pictures nothing is promised.

Sources: Vovk, Gammerman & Shafer, "Algorithmic Learning in a Random World" (2005); Sadinle, Lei & Wasserman,
"Least Ambiguous Set-Valued Classifiers with Bounded Error Levels" (JASA 2019), whose score is used: the
probability of the actual class; Angelopoulos & Bates, "Conformal Prediction: A Gentle Introduction" (2023),
section 3.2, for the spread of the coverage.
"""

from typing import Any, NamedTuple

import numpy as np

from ferjax.scores.calibration import with_temperature

COVERAGE = 0.9  # the usual choice


class Sets(NamedTuple):
    """What turns the probabilities of a network into sets of classes.

    Attributes:
        coverage: how often the set shall hold the actual class, in (0, 1).
        smallest: the probability from which on a class belongs to the set, before calibration.
    """

    coverage: float
    smallest: float

    def members(self, probabilities: np.ndarray, temperature: float) -> np.ndarray:
        """Returns which classes belong to the set of each example: bool `[N, K]`.

        Args:
            probabilities: float `[N, K]`, calibrated.
            temperature: that they were calibrated with, which is undone here.
        """
        tiny = np.finfo(np.float64).tiny
        logs = np.log(np.maximum(np.asarray(probabilities, np.float64), tiny))
        return prediction_sets(with_temperature(logs, 1 / temperature), self.smallest)


def parsed(value: object) -> Sets | None:
    """Reads what was stored as a JSON object; None if it is none.

    >>> parsed({"coverage": 0.9, "smallest": 0.07})
    Sets(coverage=0.9, smallest=0.07)
    >>> parsed({"coverage": 2, "smallest": 0.07})
    """
    if not isinstance(value, dict) or value.keys() != {*Sets._fields}:
        return None
    if not all(type(number) in (int, float) and 0 <= number <= 1 for number in value.values()):
        return None
    return Sets(**value)


def smallest_probability(labels: np.ndarray, log_probabilities: np.ndarray, coverage: float) -> float:
    """Finds the probability from which on a class belongs to the set (split conformal).

    Args:
        labels: int `[N]`, of calibration examples that neither trained the network nor test it.
        log_probabilities: float `[N, K]`.
        coverage: the chance, in (0, 1), that the set of a new example shall hold its actual class.

    Returns:
        In [0, 1]; 0, so that every set holds all classes, where the examples are too few to promise less.
    """
    actual = np.exp(np.asarray(log_probabilities, np.float64)[np.arange(len(labels)), labels])
    left_out = _left_out(len(labels), coverage)
    return float(np.sort(actual)[left_out - 1]) if left_out else 0.0


def smallest_by_class(labels: np.ndarray, log_probabilities: np.ndarray, coverage: float) -> np.ndarray:
    """Finds such a probability for each class from its own examples: the chance then holds for every class.

    Args:
        labels: int `[N]`.
        log_probabilities: float `[N, K]`.
        coverage: in (0, 1).

    Returns:
        float64 `[K]`; 0 for a class with too few examples, which then belongs to every set.
    """
    return np.array(
        [
            smallest_probability(labels[labels == k], log_probabilities[labels == k], coverage)
            for k in range(log_probabilities.shape[1])
        ]
    )


def _left_out(count: int, coverage: float) -> int:
    """Returns how many calibration examples may lie below: ⌊(N + 1)(1 − coverage)⌋, safe against rounding."""
    return int(np.floor((count + 1) * (1 - coverage) + 1e-9))


def prediction_sets(log_probabilities: np.ndarray, smallest: float | np.ndarray) -> np.ndarray:
    """Returns which classes belong to each example's set: bool `[N, K]`; a set may be empty.

    Args:
        log_probabilities: float `[N, K]`.
        smallest: what one of the functions above found.
    """
    return np.exp(np.asarray(log_probabilities, np.float64)) >= smallest


def coverage_interval(
    calibrated: int, tested: int, coverage: float, level: float = 0.95
) -> tuple[float, float]:
    """Returns between which shares the coverage of a test set lies, with chance `level`.

    The number of covered test examples is beta-binomial: the calibration examples are a sample too.

    Args:
        calibrated: calibration examples, N.
        tested: test examples, M.
        coverage: as it was asked for.
        level: of the interval, in (0, 1).

    Returns:
        The lowest and the highest share, in [0, 1]; both 1 where every set holds all classes.
    """
    from scipy import special  # not at the top: an eighth of a second that a first answer need not wait

    below = _left_out(calibrated, coverage)
    if not below:
        return 1.0, 1.0
    a, b = calibrated + 1 - below, below
    covered = np.arange(tested + 1)
    log_chance = (
        special.gammaln(tested + 1) - special.gammaln(covered + 1) - special.gammaln(tested - covered + 1)
        + special.betaln(covered + a, tested - covered + b) - special.betaln(a, b)
    )  # fmt: skip
    below_or_at = np.cumsum(np.exp(log_chance))
    tail = (1 - level) / 2
    low, high = np.searchsorted(below_or_at, [tail, 1 - tail])
    return low / tested, min(high, tested) / tested


def measure_sets(
    labels: np.ndarray,
    log_probabilities: np.ndarray,
    test_labels: np.ndarray,
    test_log_probabilities: np.ndarray,
    coverage: float = COVERAGE,
) -> dict[str, Any]:
    """Calibrates sets on one part and measures them on another; ready for JSON.

    Args:
        labels: int `[N]`, of the calibration examples.
        log_probabilities: float `[N, K]`.
        test_labels: int `[M]`.
        test_log_probabilities: float `[M, K]`.
        coverage: what is asked for.

    Returns:
        `coverage`; `expected`, the interval in which `covered` lies 19 times of 20; and for one threshold
        (`overall`) and for one a class (`by_class`): `smallest` probabilities, one or `[K]`; `covered`, the
        share of test examples whose set holds the actual class; `lowest_class`, the smallest such share of a
        class; `mean_size` of the sets; `empty` and `single`, the shares of sets with no and with one class.
    """
    found = {"overall": smallest_probability, "by_class": smallest_by_class}
    measured: dict[str, Any] = {
        "coverage": coverage,
        "expected": list(coverage_interval(len(labels), len(test_labels), coverage)),
    }
    support = np.bincount(test_labels, minlength=test_log_probabilities.shape[1])
    for name, find in found.items():
        smallest = np.asarray(find(labels, log_probabilities, coverage))
        sets = prediction_sets(test_log_probabilities, smallest)
        holds, sizes = sets[np.arange(len(test_labels)), test_labels], sets.sum(-1)
        by_class = np.bincount(test_labels, holds, len(support))[support > 0] / support[support > 0]
        measured[name] = {
            "smallest": smallest.tolist(),
            "covered": float(holds.mean()),
            "lowest_class": float(by_class.min()),
            "mean_size": float(sizes.mean()),
            "empty": float((sizes == 0).mean()),
            "single": float((sizes == 1).mean()),
        }
    return measured
