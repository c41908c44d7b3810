"""Pictures that are unlike those a network was trained on: how far their features lie from those of training.

Pure NumPy. The features of training pictures are described by a Gaussian; the distance from it, in its own
spread, is Mahalanobis's. A picture is called unlike where it is farther than 95 % of validation's are.

Sources: Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution Samples and Adversarial
Attacks" (NeurIPS 2018), for the distance; means and standard deviations of channels over places as features:
Sastry & Oore (ICML 2020) and Quintanilha et al. (2018) use such statistics of early layers.
"""

import base64
import binascii
from typing import Any, NamedTuple

import numpy as np

KEPT = 0.95  # of validation, the usual choice
MOST_FEATURES = 512  # whose matrix still fits into a text file of a bundle
_SHRINKAGE = 1e-4  # of the mean variance, added to each: as many pictures as features may be too few


class Unlike(NamedTuple):
    """The description of training pictures, and a threshold.

    Attributes:
        layer: the path of the module whose output's statistics are the features.
        above: pictures at a larger distance are unlike those of training.
        kept: the share of validation pictures that are not.
        mean: float32 `[F]`, of the features of training pictures.
        whitener: float32 `[F, F]`, lower triangle: makes their covariance the unit matrix.
    """

    layer: str
    above: float
    kept: float
    mean: np.ndarray
    whitener: np.ndarray

    def distances(self, features: np.ndarray) -> np.ndarray:
        """Measures how far features `[N, F]` lie from those of training: float64 `[N]`."""
        away = (np.asarray(features, np.float64) - self.mean) @ self.whitener.T.astype(np.float64)
        return np.sqrt((away**2).sum(-1))

    def to_json(self) -> dict[str, Any]:
        """Returns JSON values that `parsed` reads; numbers as base64 of little-endian float32."""
        lower = self.whitener[np.tril_indices(len(self.mean))]
        return {
            "layer": self.layer, "above": self.above, "kept": self.kept,
            "mean": _text(self.mean), "whitener": _text(lower),
        }  # fmt: skip


def fit(layer: str, train: np.ndarray, validation: np.ndarray, kept: float = KEPT) -> Unlike:
    """Describes the features of training pictures, and finds the threshold on those of validation.

    Args:
        layer: where the features are from.
        train: float `[N, F]`; the network may have been trained on these pictures.
        validation: float `[M, F]`, of others.
        kept: the share of validation whose pictures shall not be called unlike, in (0, 1).

    Raises:
        ValueError: there are more than `MOST_FEATURES` features.
    """
    features = np.asarray(train, np.float64)
    if features.shape[1] > MOST_FEATURES:
        raise ValueError(f"{features.shape[1]} features are more than {MOST_FEATURES}")
    centred = features - features.mean(0)
    covariance = centred.T @ centred / len(features)
    covariance += _SHRINKAGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    whitener = np.tril(np.linalg.inv(np.linalg.cholesky(covariance)))
    found = Unlike(layer, 0.0, kept, features.mean(0).astype(np.float32), whitener.astype(np.float32))
    return found._replace(above=float(np.quantile(found.distances(validation), kept)))


def parsed(value: object) -> Unlike | None:
    """Reads what `Unlike.to_json` wrote; None if it is something else."""
    if not isinstance(value, dict) or value.keys() != {*Unlike._fields}:
        return None
    layer, above, kept = value["layer"], value["above"], value["kept"]
    numbers = all(type(number) in (int, float) for number in (above, kept))
    if not (isinstance(layer, str) and numbers and 0 <= above < np.inf and 0 < kept < 1):
        return None
    mean, lower = _array(value["mean"]), _array(value["whitener"])
    if mean is None or lower is None or not 0 < len(mean) <= MOST_FEATURES:
        return None
    if len(lower) != len(mean) * (len(mean) + 1) // 2:
        return None
    whitener = np.zeros((len(mean), len(mean)), np.float32)
    whitener[np.tril_indices(len(mean))] = lower
    return Unlike(layer, float(above), float(kept), mean, whitener)


def _text(array: np.ndarray) -> str:
    return base64.b64encode(np.asarray(array, "<f4").tobytes()).decode()


def _array(text: object) -> np.ndarray | None:
    """Reads finite numbers; None if it is something else."""
    try:
        content = base64.b64decode(text, validate=True) if isinstance(text, str) else b"?"
    except (binascii.Error, ValueError):
        return None
    array = np.frombuffer(content, "<f4") if len(content) % 4 == 0 else np.array([np.nan])
    return array.astype(np.float32) if np.isfinite(array).all() else None
