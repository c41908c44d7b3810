"""Valence and arousal of stored examples: float32 [N, 2], each in [−1, 1], NaN where it is unknown.

Valence is how pleasant what a face shows is, arousal how excited (Russell, A circumplex model of affect,
1980). Any set has them whose builder stores the features `valence` and `arousal`, as float32 scalars.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ferjax.data.toons.affect import affect_of

NAMES = ("valence", "arousal")

Reader = Callable[[Mapping[str, Any]], tuple[float, float]]


def reader(name: str, features: Mapping[str, Any], label_names: Sequence[str]) -> Reader | None:
    """Returns the function that reads (valence, arousal) of a record; None if a set has no such thing.

    Args:
        name: the set's name; the toons', which store none, are computed, see `ferjax.data.toons.affect`.
        features: what its records hold, each with its `shape` and `np_dtype`.
        label_names: its classes.
    """
    if all(feature in features and _is_number(features[feature]) for feature in NAMES):
        return lambda record: (record[NAMES[0]], record[NAMES[1]])
    if name.startswith("toons/") and "clean_label" in features and "parts" in features:
        return lambda record: affect_of(label_names[int(record["clean_label"])], record["parts"])
    return None


def _is_number(feature: Any) -> bool:
    return feature.shape == () and np.issubdtype(feature.np_dtype, np.floating)


def out_of_range(values: np.ndarray) -> np.ndarray:
    """Returns the known values that are not of −1 … 1."""
    return values[~(np.isnan(values) | (np.abs(values) <= 1))]
