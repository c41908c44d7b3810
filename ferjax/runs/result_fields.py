"""Which values the fields of `result.json` may hold, so that nobody who reads one needs to check again."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ferjax.config.field import shown
from ferjax.errors import UserError

_LARGEST = 1e60  # of a loss
_LARGEST_COUNT = 2**53


class Kind(NamedTuple):
    """Values of one kind: what they are in words, and how to tell."""

    words: str
    fits: Callable[[Any], bool]


def _number(low: float, high: float) -> Callable[[Any], bool]:
    # NaN is in no range; a bool is a number for Python alone.
    return lambda value: isinstance(value, int | float) and type(value) is not bool and low <= value <= high


def _whole(low: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and type(value) is not bool and low <= value < _LARGEST_COUNT


def _or_null(kind: Kind) -> Kind:
    return Kind(f"{kind.words} or null", lambda value: value is None or kind.fits(value))


TEXT = Kind("a text", lambda value: isinstance(value, str) and len(value) <= 4096)
COUNT = Kind("a whole number from 0 on", _whole(0))
POSITIVE = Kind("a whole number from 1 on", _whole(1))
STEP = Kind("a whole number", _whole(-1))
SEED = Kind("a whole number", _whole(-_LARGEST_COUNT))
SHARE = Kind("a number from 0 to 1", _number(0, 1))
AMOUNT = Kind("a number from 0 on", _number(0, _LARGEST))
ABOVE_0 = Kind("a number above 0", _number(math.nextafter(0, 1), _LARGEST))
NUMBER_OR_NULL = _or_null(Kind("a number", _number(-_LARGEST, _LARGEST)))
SHARE_OR_NULL, AMOUNT_OR_NULL, COUNT_OR_NULL = _or_null(SHARE), _or_null(AMOUNT), _or_null(COUNT)
INTERVAL = Kind(
    "two numbers from 0 to 1",
    lambda value: isinstance(value, list) and len(value) == 2 and all(map(SHARE.fits, value)),
)

CORRELATION_OR_NULL = _or_null(Kind("a number from -1 to 1", _number(-1.001, 1.001)))
ENDS_OR_NULL = _or_null(
    Kind(
        "two numbers",
        lambda value: (
            isinstance(value, list) and len(value) == 2 and all(map(_number(-_LARGEST, _LARGEST), value))
        ),
    )
)

# Field → kind, or the fields of an object. Fields that are absent are not looked at.
Fields = Mapping[str, "Kind | Fields"]
SCORES: Fields = {
    "loss": NUMBER_OR_NULL, "accuracy": SHARE, "mean_class_accuracy": SHARE, "macro_f1": SHARE,
    "weighted_f1": SHARE,
}  # fmt: skip
_OF_A_DIMENSION: Fields = {
    "examples": COUNT, "ccc": CORRELATION_OR_NULL, "rmse": AMOUNT_OR_NULL, "pearson": CORRELATION_OR_NULL,
    "sagr": SHARE_OR_NULL,
    "intervals": {"ccc": ENDS_OR_NULL, "rmse": ENDS_OR_NULL, "pearson": ENDS_OR_NULL, "sagr": ENDS_OR_NULL},
}  # fmt: skip
AFFECT: Fields = {
    "valence": _OF_A_DIMENSION, "arousal": _OF_A_DIMENSION, "mean_ccc": CORRELATION_OR_NULL,
}  # fmt: skip
RESULT: Fields = {
    "model": TEXT, "dataset": TEXT, "best_step": STEP, "steps": COUNT, "epochs": AMOUNT, "seconds": AMOUNT,
    "images_per_second": AMOUNT_OR_NULL, "data_wait_fraction": AMOUNT_OR_NULL,
    "peak_memory_bytes": COUNT_OR_NULL, "parameters": COUNT, "date": TEXT, "seed": SEED,
    "validation": {
        **SCORES, "accuracy": SHARE_OR_NULL, "mean_class_accuracy": SHARE_OR_NULL, "macro_f1": SHARE_OR_NULL,
    },
    "test": SCORES,
    "device": {"platform": TEXT, "kind": TEXT, "count": POSITIVE, "processes": POSITIVE},
    "machine": {"system": TEXT, "architecture": TEXT, "processor": TEXT, "cores": POSITIVE},
    "probabilities": {
        "roc_auc": SHARE_OR_NULL, "average_precision": SHARE_OR_NULL, "calibration_error": SHARE_OR_NULL,
        "calibration_error_scaled": SHARE_OR_NULL, "cross_entropy": NUMBER_OR_NULL,
        "cross_entropy_scaled": NUMBER_OR_NULL, "temperature": _or_null(ABOVE_0),
        "risk_coverage_area": SHARE,
        "intervals": {"accuracy": INTERVAL, "mean_class_accuracy": INTERVAL, "macro_f1": INTERVAL},
    },
    "affect": AFFECT,
    "overlap": {"images": COUNT, "train": COUNT, "validation": COUNT, "earlier": COUNT},
    "relabel": {"file": TEXT, "digest": TEXT},
}  # fmt: skip
SET_SCORES: Fields = {
    "covered": SHARE,
    "lowest_class": SHARE,
    "mean_size": AMOUNT,
    "empty": SHARE,
    "single": SHARE,
}
SETS: Fields = {"coverage": SHARE, "expected": INTERVAL, "overall": SET_SCORES, "by_class": SET_SCORES}
PER_CLASS: Fields = {"name": TEXT, "precision": SHARE, "recall": SHARE, "f1": SHARE, "support": COUNT}
CLASS_PROBABILITIES: Fields = {"name": TEXT, "roc_auc": SHARE_OR_NULL, "average_precision": SHARE_OR_NULL}


def check_fields(path: object, values: Any, fields: Fields, where: str = "") -> None:
    """Checks an object and those in it.

    Args:
        path: the file, for the message.
        values: an object; fields that `fields` does not name are not looked at.
        fields: what they may hold.
        where: the object's own name, for the message.

    Raises:
        UserError: the first that holds something else, and what it should be.
    """
    if not isinstance(values, dict):
        raise UserError(f"{path}: {where} is not a JSON object; restore the file")
    for name, kind in fields.items():
        place = f"{where}.{name}" if where else name
        if name not in values:
            continue
        if isinstance(kind, Kind):
            check_value(path, values[name], kind, place)
        else:
            check_fields(path, values[name], kind, place)


def check_value(path: object, value: Any, kind: Kind, where: str) -> None:
    """Raises UserError, which names the value's place in the file, unless the value is of the kind."""
    if not kind.fits(value):
        raise UserError(f"{path}: {where} is {shown(value)}, not {kind.words}; restore the file")
