"""`result.json`: the fields of a finished run's result, and how it is read and checked."""

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ferjax import files
from ferjax.errors import UserError
from ferjax.runs.result_fields import (
    AFFECT,
    CLASS_PROBABILITIES,
    COUNT,
    RESULT,
    SETS,
    TEXT,
    Fields,
    Kind,
    check_fields,
    check_value,
)
from ferjax.runs.result_fields import PER_CLASS as PER_CLASS_KINDS

VALIDATION = ("loss", "accuracy", "mean_class_accuracy", "macro_f1")
TEST = (*VALIDATION, "weighted_f1", "per_class", "confusion_matrix")
PER_CLASS = ("name", "precision", "recall", "f1", "support")
PROBABILITIES = (
    "roc_auc", "average_precision", "per_class", "calibration_error", "temperature", "intervals",
)  # fmt: skip
INTERVALS = ("accuracy", "mean_class_accuracy", "macro_f1")
DEVICE = ("platform", "kind", "count", "processes")
RUN_FACTS = (
    "seconds",
    "images_per_second",
    "data_wait_fraction",
    "peak_memory_bytes",
    "device",
    "versions",
    "date",
    "split_digests",
    "seed",
)
FIELDS = (
    "model",
    "dataset",
    "label_names",
    "best_step",
    "steps",
    "epochs",
    "validation",
    "test",
    *RUN_FACTS,
)
METHOD = "pretraining"  # the field of runs without classes, see `ferjax.runs.pretraining_result`


def read_result(path: Path | str) -> dict[str, Any]:
    """Reads a `result.json` and checks that it has every field of
    `ferjax.runs.result_content.build_result`, each of its kind.

    Raises:
        UserError: the file is missing, not JSON, or lacks a field or holds another kind of value; the message
            says which. Or it is of a run of pre-training.
    """
    result = files.read_json(path)
    if isinstance(result, dict) and METHOD in result:
        raise UserError(
            f"{path} is of pre-training, which has no classes to score: fine-tune the network with "
            f"--config.init.from={Path(path).parent} first"
        )
    require(path, "the file", result, FIELDS)
    require(path, "validation", result["validation"], VALIDATION)
    require(path, "test", result["test"], TEST)
    require(path, "device", result["device"], DEVICE)
    require(path, "versions", result["versions"], ())
    require(path, "split_digests", result["split_digests"], ())
    if "probabilities" in result:  # earlier versions did not store them
        require(path, "probabilities", result["probabilities"], PROBABILITIES)
    if "affect" in result:
        _require_all(path, "affect", result["affect"], AFFECT)
    if "overlap" in result:
        require(path, "overlap", result["overlap"], ("images",))
    if "relabel" in result:
        require(path, "relabel", result["relabel"], ("file", "digest", "replaced"))
        for count in _object(path, "relabel.replaced", result["relabel"]["replaced"]).values():
            check_value(path, count, COUNT, "a number of relabel.replaced")
    check_fields(path, result, RESULT)
    classes, rows, matrix = (
        _list(path, "label_names", result["label_names"]),
        _list(path, "test.per_class", result["test"]["per_class"]),
        _list(path, "test.confusion_matrix", result["test"]["confusion_matrix"]),
    )
    for row in rows:
        require(path, "a row of test.per_class", row, PER_CLASS)
        check_fields(path, row, PER_CLASS_KINDS, "a row of test.per_class")
    widths = {len(_list(path, "a row of test.confusion_matrix", row)) for row in matrix}
    if not len(classes) == len(rows) == len(matrix) or widths != {len(classes)}:
        raise UserError(f"{path}: per_class and confusion_matrix do not fit {len(classes)} label names")
    for name in classes:
        check_value(path, name, TEXT, "a label name")
    for count in itertools.chain.from_iterable(matrix):
        check_value(path, count, COUNT, "a number of test.confusion_matrix")
    if [sum(row) for row in matrix] != [row["support"] for row in rows] or not any(map(any, matrix)):
        raise UserError(f"{path}: the rows of confusion_matrix do not add up to the classes' support")
    if "probabilities" in result:
        ranks = _list(path, "probabilities.per_class", result["probabilities"]["per_class"])
        for row in ranks:
            require(path, "a row of probabilities.per_class", row, CLASS_PROBABILITIES)
            check_fields(path, row, CLASS_PROBABILITIES, "a row of probabilities.per_class")
        if len(ranks) != len(classes):
            raise UserError(f"{path}: probabilities.per_class does not fit {len(classes)} label names")
        require(path, "probabilities.intervals", result["probabilities"]["intervals"], INTERVALS)
        if (sets := result["probabilities"].get("sets")) is not None:
            _require_all(path, "probabilities.sets", sets, SETS)
            check_fields(path, sets, SETS, "probabilities.sets")
        if result["probabilities"]["temperature"] is not None:
            require(path, "probabilities", result["probabilities"], ("calibration_error_scaled",))
    for name, known in {**result["versions"], **result["split_digests"]}.items():
        if known is not None:
            check_value(path, known, TEXT, f"the entry {name[:40]}")
    return result


def _require_all(path: Path | str, where: str, value: Any, fields: Fields) -> None:
    """Like `require`, for every field and those of the objects in it."""
    require(path, where, value, fields)
    for name, kind in fields.items():
        if not isinstance(kind, Kind):
            _require_all(path, f"{where}.{name}", value[name], kind)


def require(path: Path | str, where: str, value: Any, fields: Iterable[str]) -> None:
    """Raises UserError unless a value of a file is an object that has these fields."""
    missing = [field for field in fields if field not in _object(path, where, value)]
    if missing:
        raise UserError(f"{path}: {where} lacks {', '.join(missing)}; train or evaluate the run again")


def _object(path: Path | str, where: str, value: Any) -> dict:
    if not isinstance(value, dict):
        raise UserError(f"{path}: {where} is not a JSON object")
    return value


def _list(path: Path | str, where: str, value: Any) -> list:
    if not isinstance(value, list):
        raise UserError(f"{path}: {where} is not a list")
    return value
