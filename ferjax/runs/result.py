"""`result.json`: what a finished run found, where, and with what."""

import datetime
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ferjax import files
from ferjax.errors import UserError
from ferjax.runs.predictions import Predictions
from ferjax.scores import calibration, ranking, significance
from ferjax.scores.confusion import summary

VALIDATION = ("loss", "accuracy", "mean_class_accuracy", "macro_f1")
TEST = (*VALIDATION, "weighted_f1", "per_class", "confusion_matrix")
PER_CLASS = ("name", "precision", "recall", "f1", "support")
PROBABILITIES = (
    "roc_auc", "average_precision", "per_class", "calibration_error", "temperature", "intervals",
)  # fmt: skip
DEVICE = ("platform", "kind", "count", "processes")
FIELDS = (
    "model",
    "dataset",
    "label_names",
    "best_step",
    "steps",
    "epochs",
    "validation",
    "test",
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


def probability_scores(test: Predictions, validation: Predictions | None) -> dict[str, Any]:
    """What probabilities tell beyond the confusion matrix, ready for JSON.

    Args:
        test: what is scored.
        validation: what the same weights said about validation, for the temperature; None: no temperature.

    Returns:
        `roc_auc` and `average_precision` (one against the rest, means of the classes that have them),
        `per_class` (name, roc_auc, average_precision), `calibration_error`, `cross_entropy`, the same two
        with `temperature` as `…_scaled`, and `intervals`: 95 % over test images, by bootstrap. NaN where
        there is nothing to tell, None without a temperature.
    """
    labels, said, classes = test.labels, test.log_probabilities, len(test.label_names)
    auc, precision = ranking.roc_auc(labels, said), ranking.average_precision(labels, said)
    cells = labels * classes + test.predicted
    confusion = np.bincount(cells, minlength=classes**2).reshape(classes, classes)
    temperature = error = loss = None
    if validation is not None:
        temperature = calibration.fit_temperature(validation.labels, validation.log_probabilities)
        scaled = calibration.with_temperature(said, temperature)
        error, loss = calibration.reliability(labels, scaled).error, calibration.cross_entropy(labels, scaled)
    return {
        "roc_auc": ranking.mean(auc),
        "average_precision": ranking.mean(precision),
        "per_class": [
            {"name": name, "roc_auc": float(a), "average_precision": float(p)}
            for name, a, p in zip(test.label_names, auc, precision, strict=True)
        ],
        "calibration_error": calibration.reliability(labels, said).error,
        "cross_entropy": calibration.cross_entropy(labels, said),
        "temperature": temperature,
        "calibration_error_scaled": error,
        "cross_entropy_scaled": loss,
        "intervals": {name: list(ends) for name, ends in significance.image_intervals(confusion).items()},
    }


def build_result(
    *,
    model: str,
    dataset: str,
    label_names: Sequence[str],
    best_step: int,
    steps: int,
    epochs: float,
    validation: Mapping[str, float],
    test_loss: float,
    test_confusion: np.ndarray,
    seconds: float,
    images_per_second: float,
    data_wait_fraction: float,
    peak_memory_bytes: int | None,
    device: Mapping[str, Any],
    versions: Mapping[str, str | None],
    date: datetime.datetime,
    split_digests: Mapping[str, str],
    seed: int,
    probabilities: Mapping[str, Any] | None = None,
    init: Mapping[str, Any] | None = None,
    overlap: Mapping[str, Any] | None = None,
) -> dict:
    """Builds the content of `result.json`. Pure: nothing is read, measured or written.

    Args:
        model: the network's registered name.
        dataset: the data set's registered name.
        label_names: the K class names in label order.
        best_step: the step that validation chose and test measured.
        steps: training steps done in the whole run.
        epochs: passes over the training split, possibly a fraction.
        validation: loss, accuracy, mean_class_accuracy and macro_f1 at `best_step`; more is ignored.
        test_loss: mean loss of a test example at `best_step`.
        test_confusion: integers `[K, K]`, rows actual, columns predicted, at `best_step`.
        seconds: wall time of training, evaluations included.
        images_per_second: training images of all devices together, per second.
        data_wait_fraction: share in [0, 1] of the training time spent waiting for data.
        peak_memory_bytes: the most memory one device held, None where the platform does not tell.
        device: `platform` ("cpu", "gpu", "tpu"), `kind`, `count` (of all processes), `processes`.
        versions: see `library_versions`.
        date: when the test was read; timezone-aware, stored in UTC.
        split_digests: a digest of each split's examples, by split name.
        seed: the run's seed.
        probabilities: see `probability_scores`; left out of the result if None.
        init: what the run began from, see `ferjax.training.transfer`; left out if None: at random.
        overlap: test images that the weights have seen, see `ferjax.training.contamination.find`; left out if
        None.

    Raises:
        ValueError: if the matrix does not fit the labels or counts nothing, or `date` has no zone.
        KeyError: if `validation` or `device` lacks a field.
    """
    if date.tzinfo is None:
        raise ValueError("the date needs a time zone")
    return {
        "model": model,
        "dataset": dataset,
        "label_names": list(label_names),
        "best_step": int(best_step),
        "steps": int(steps),
        "epochs": epochs,
        "validation": {name: float(validation[name]) for name in VALIDATION},
        "test": {"loss": float(test_loss), **summary(test_confusion, label_names)},
        "seconds": float(seconds),
        "images_per_second": float(images_per_second),
        "data_wait_fraction": float(data_wait_fraction),
        "peak_memory_bytes": peak_memory_bytes,
        "device": {name: device[name] for name in DEVICE},
        "versions": dict(versions),
        "date": date.astimezone(datetime.UTC).isoformat(timespec="seconds"),
        "split_digests": dict(split_digests),
        "seed": int(seed),
        **({"probabilities": dict(probabilities)} if probabilities else {}),
        **({"init": dict(init)} if init else {}),
        **({"overlap": dict(overlap)} if overlap else {}),
    }


def read_result(path: Path | str) -> dict:
    """Reads a `result.json` and checks that it has every field of `build_result`.

    Raises:
        UserError: if the file is missing, not JSON, or lacks a field; the line says which.
    """
    result = files.read_json(path)
    _require(path, "the file", result, FIELDS)
    _require(path, "validation", result["validation"], VALIDATION)
    _require(path, "test", result["test"], TEST)
    _require(path, "device", result["device"], DEVICE)
    _require(path, "versions", result["versions"], ())
    _require(path, "split_digests", result["split_digests"], ())
    if "probabilities" in result:  # not in runs of before
        _require(path, "probabilities", result["probabilities"], PROBABILITIES)
    classes, rows, matrix = (
        _list(path, "label_names", result["label_names"]),
        _list(path, "test.per_class", result["test"]["per_class"]),
        _list(path, "test.confusion_matrix", result["test"]["confusion_matrix"]),
    )
    for row in rows:
        _require(path, "a row of test.per_class", row, PER_CLASS)
    widths = {len(_list(path, "a row of test.confusion_matrix", row)) for row in matrix}
    if not len(classes) == len(rows) == len(matrix) or widths != {len(classes)}:
        raise UserError(f"{path}: per_class and confusion_matrix do not fit {len(classes)} label names")
    return result


def _require(path: Path | str, where: str, value: Any, fields: Iterable[str]) -> None:
    if not isinstance(value, dict):
        raise UserError(f"{path}: {where} is not a JSON object")
    missing = [field for field in fields if field not in value]
    if missing:
        raise UserError(f"{path}: {where} lacks {', '.join(missing)}; train or evaluate the run again")


def _list(path: Path | str, where: str, value: Any) -> list:
    if not isinstance(value, list):
        raise UserError(f"{path}: {where} is not a list")
    return value
