"""Scores of predicted valence and arousal: CCC, RMSE, Pearson's correlation and sign agreement. Pure NumPy.

Values lie in [−1, 1]; NaN stands for an unknown actual value, whose example is not scored. Each of the two is
scored on its own.

References:
    Mollahosseini et al., AffectNet, IEEE Transactions on Affective Computing 2017, section 5.2; Lin, A
    concordance correlation coefficient to evaluate reproducibility, Biometrics 1989.
"""

from typing import Any

import numpy as np

from ferjax.errors import UserError
from ferjax.scores.significance import LEVEL, MATRIX_RESAMPLES

DIMENSIONS = ("valence", "arousal")
METRICS = ("ccc", "rmse", "pearson", "sagr")


def ccc(predicted: np.ndarray, actual: np.ndarray) -> float:
    """Computes 2·cov / (var_x + var_y + (mean_x − mean_y)²), in [−1, 1]; 1 where all are equal.

    Variances and covariance are divided by n, as in Lin's paper.

    >>> round(ccc(np.array([0.0, 0.5, 1.0]), np.array([0.1, 0.6, 1.1])), 3)
    0.971

    Args:
        predicted: float `[N]`.
        actual: float `[N]`, without NaN.

    Returns:
        NaN where it is undefined: both are the same constant, or N is 0.
    """
    return _of_all(predicted, actual)["ccc"]


def rmse(predicted: np.ndarray, actual: np.ndarray) -> float:
    """Computes √ mean (x − y)², at least 0; arguments as `ccc`."""
    return _of_all(predicted, actual)["rmse"]


def pearson(predicted: np.ndarray, actual: np.ndarray) -> float:
    """Computes cov / √(var_x · var_y), in [−1, 1]; NaN if one of them is constant. Arguments as `ccc`."""
    return _of_all(predicted, actual)["pearson"]


def sagr(predicted: np.ndarray, actual: np.ndarray) -> float:
    """Computes the share of examples whose sign is right, in [0, 1]; 0 has a sign of its own.

    Arguments as `ccc`.
    """
    return _of_all(predicted, actual)["sagr"]


def measure(predicted: np.ndarray, actual: np.ndarray) -> dict[str, Any]:
    """Scores valence and arousal, each over the examples whose value is known; ready for JSON.

    Args:
        predicted: float `[N, 2]`: valence, arousal.
        actual: float `[N, 2]`, NaN where unknown.

    Returns:
        For `valence` and `arousal`: `examples` (how many are known), each of `METRICS`, and `intervals`: 95 %
        of each of them over examples, by bootstrap. `mean_ccc` of the two. Scores are NaN where undefined.

    Raises:
        UserError: not one value is known.
    """
    if np.isnan(actual).all():
        raise UserError("no example has a known valence or arousal to score against")
    by_name = {
        name: _measure_one(predicted[:, column], actual[:, column]) for column, name in enumerate(DIMENSIONS)
    }
    return {**by_name, "mean_ccc": float(np.mean([by_name[name]["ccc"] for name in DIMENSIONS]))}


def mean_ccc(predicted: np.ndarray, actual: np.ndarray) -> float:
    """Computes the mean CCC of valence and arousal, of which a run's best step is the highest.

    Args:
        predicted: float `[N, 2]`.
        actual: float `[N, 2]`, NaN where unknown.

    Returns:
        NaN where one of them is undefined.
    """
    known = ~np.isnan(actual)
    return float(np.mean([ccc(predicted[known[:, i], i], actual[known[:, i], i]) for i in range(2)]))


def _measure_one(predicted: np.ndarray, actual: np.ndarray) -> dict[str, Any]:
    known = ~np.isnan(actual)
    count, scores = int(known.sum()), _of_all(predicted[known], actual[known])
    if not count:
        return {"examples": 0, **scores, "intervals": dict.fromkeys(METRICS)}
    moments = _moments(predicted[known], actual[known])
    rng = np.random.default_rng(0)
    drawn: dict[str, list[float]] = {name: [] for name in METRICS}
    for _ in range(MATRIX_RESAMPLES):
        # How often each example is drawn is all that its moments need.
        counts = np.bincount(rng.integers(0, count, count), minlength=count)
        for name, value in _scores(counts @ moments / count).items():
            drawn[name].append(value)
    return {
        "examples": count,
        **scores,
        "intervals": {name: _interval(np.array(values)) for name, values in drawn.items()},
    }


def _of_all(predicted: np.ndarray, actual: np.ndarray) -> dict[str, float]:
    """Computes the scores of `[N]` values; NaN if N is 0."""
    return _scores(_moments(predicted, actual).mean(0)) if len(actual) else dict.fromkeys(METRICS, np.nan)


def _interval(values: np.ndarray) -> list[float] | None:
    """Returns the ends; None where a resample has no score."""
    if np.isnan(values).any():
        return None
    return [float(end) for end in np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])]


def _moments(predicted: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """Returns what the means of are enough for every score: float64 `[N, 6]`."""
    x, y = np.asarray(predicted, np.float64), np.asarray(actual, np.float64)
    return np.stack([x, y, x * x, y * y, x * y, np.sign(x) == np.sign(y)], axis=1)


def _scores(means: np.ndarray) -> dict[str, float]:
    """Computes the scores from the means of `_moments`."""
    x, y, xx, yy, xy, same_sign = map(float, means)
    # Rounding may leave a constant's variance a little off 0.
    var_x, var_y = (0.0 if var < 1e-14 else var for var in (xx - x * x, yy - y * y))
    covariance = xy - x * y if var_x and var_y else 0.0
    apart = var_x + var_y + (x - y) ** 2
    return {
        "ccc": 2 * covariance / apart if apart > 1e-14 else float("nan"),
        "rmse": max(xx - 2 * xy + yy, 0.0) ** 0.5,
        "pearson": covariance / (var_x * var_y) ** 0.5 if var_x and var_y else float("nan"),
        "sagr": same_sign,
    }
