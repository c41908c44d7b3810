"""Calibration: is a probability of 80 % right four times in five? And a temperature that corrects it.

Pure NumPy. Source: Guo et al., "On Calibration of Modern Neural Networks" (ICML 2017).
"""

import dataclasses

import numpy as np

BINS = 15
# Temperatures that are tried: beyond them, probabilities are all but certain or all but equal.
_LOWEST, _HIGHEST = 0.05, 20.0
_HALVINGS = 40
# Beyond these, which are wider, a stored number is no temperature: near 0, every probability is 0 or 1.
_LEAST, _MOST = 0.01, 100.0


@dataclasses.dataclass(frozen=True)
class Reliability:
    """Examples by the probability of their predicted class, in bins of equal width over [0, 1].

    Attributes:
        confidence: the mean probability in each bin, float64 `[bins]`, 0 where it is empty.
        accuracy: the share that is right, float64 `[bins]`, 0 where it is empty.
        count: examples, int64 `[bins]`.
    """

    confidence: np.ndarray
    accuracy: np.ndarray
    count: np.ndarray

    @property
    def error(self) -> float:
        """The expected calibration error, in [0, 1]: the mean |confidence − accuracy| of examples."""
        gaps = np.abs(self.confidence - self.accuracy)
        return float(np.average(gaps, weights=self.count))


def reliability(labels: np.ndarray, log_probabilities: np.ndarray, bins: int = BINS) -> Reliability:
    """Sorts examples into bins (0, 1/bins], (1/bins, 2/bins], …; see `Reliability`.

    Args:
        labels: int `[N]`, N at least 1.
        log_probabilities: float `[N, K]`.
        bins: the number of bins.
    """
    predicted = log_probabilities.argmax(-1)
    chosen = log_probabilities[np.arange(len(labels)), predicted]
    confidence = np.exp(chosen.astype(np.float64)).clip(0, 1)
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    filled = np.maximum(count, 1)
    return Reliability(
        confidence=np.bincount(place, weights=confidence, minlength=bins) / filled,
        accuracy=np.bincount(place, weights=predicted == labels, minlength=bins) / filled,
        count=count,
    )


def with_temperature(log_probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Returns log softmax(logits / T); T above 1 makes the network less sure and never changes its choice.

    Args:
        log_probabilities: float `[N, K]`; they differ from the logits by one constant per example.
        temperature: above 0.
    """
    scaled = np.asarray(log_probabilities, np.float64) / temperature
    scaled -= scaled.max(-1, keepdims=True)
    return scaled - np.log(np.exp(scaled).sum(-1, keepdims=True))


def is_temperature(value: object) -> bool:
    """Checks whether a value that was read from a file can be a temperature.

    >>> is_temperature(1.5), is_temperature(1e-30), is_temperature("1.5")
    (True, False, False)
    """
    return isinstance(value, int | float) and not isinstance(value, bool) and _LEAST <= value <= _MOST


def cross_entropy(labels: np.ndarray, log_probabilities: np.ndarray) -> float:
    """Returns the mean of −log p(actual class), in nats."""
    return float(-log_probabilities[np.arange(len(labels)), labels].mean(dtype=np.float64))


def fit_temperature(labels: np.ndarray, log_probabilities: np.ndarray) -> float:
    """Finds the temperature of the lowest cross entropy, in [0.05, 20]; fit it on validation, never on test.

    A network that is right about every one of a few examples would be certain of everything. As Platt (1999,
    "Probabilistic outputs for support vector machines") does for two classes, the targets are therefore those
    of N examples and of K more, of whose class nothing is known: their weight in the mean is K / (N + K),
    which hardly matters from some hundred examples on.

    The cross entropy is convex in 1/T, so its lowest point is where its slope passes 0; halving finds it.

    Args:
        labels: int `[N]`.
        log_probabilities: float `[N, K]`.
    """
    logits = np.asarray(log_probabilities, np.float64)
    examples, classes = logits.shape
    unknown = classes / (examples + classes)
    actual = (1 - unknown) * logits[np.arange(examples), labels].mean() + unknown * logits.mean()
    low, high = 1 / _HIGHEST, 1 / _LOWEST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        expected = (np.exp(with_temperature(logits, 1 / middle)) * logits).sum(-1).mean()
        # The slope in 1/T is the mean logit under the network's probabilities minus the actual class's.
        low, high = (middle, high) if expected < actual else (low, middle)
    return 2 / (low + high)
