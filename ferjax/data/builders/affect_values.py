"""Reads valence and arousal as lists write them, and stores them with an example."""

import math
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from ferjax.data.affect import NAMES

FEATURES: dict[str, Any] = {name: tfds.features.Scalar(np.float32) for name in NAMES}
UNKNOWN: dict[str, float] = dict.fromkeys(FEATURES, math.nan)
# AffectNet writes it for faces whose annotators named none.
_MISSING = -2.0


def affect_value(text: str) -> float:
    """Reads one value, in [−1, 1].

    Args:
        text: a number; empty or −2, as AffectNet has it, where it is unknown.

    Returns:
        NaN where it is unknown.

    Raises:
        ValueError: it is neither.
    """
    try:
        value = float(text) if text.strip() else _MISSING
    except ValueError:
        value = math.inf
    if math.isnan(value) or value == _MISSING:
        return math.nan
    if not -1 <= value <= 1:
        raise ValueError(f"{text[:20]!r} is no number of -1 … 1, nor -2 or empty for unknown")
    return value
