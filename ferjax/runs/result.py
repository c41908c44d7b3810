"""`result.json`: the scores of a finished run, what they cost, and where they were measured."""

import dataclasses
import datetime
import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ferjax import files
from ferjax.errors import UserError
from ferjax.runs.predictions import Predictions
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
from ferjax.scores import affect, calibration, conformal, ranking, selective, significance
from ferjax.scores.confusion import summary

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


def probability_scores(test: Predictions, validation: Predictions | None) -> dict[str, Any]:
    """Computes the scores that need probabilities, not only the confusion matrix; ready for JSON.

    Args:
        test: the predictions to score.
        validation: predictions of the same weights on validation, which the temperature is fitted to; None:
            no temperature.

    Returns:
        `roc_auc` and `average_precision` (one against the rest, means of the classes that have them),
        `per_class` (name, roc_auc, average_precision), `calibration_error`, `cross_entropy`, the same two
        with `temperature` as `…_scaled`, and `intervals`: 95 % over test images, by bootstrap; the
        `risk_coverage_area`, and `sets`, see `ferjax.scores.conformal.measure_sets`. NaN where a score is
        undefined, None without validation, or without validation of the same classes.
    """
    labels, logs, classes = test.labels, test.log_probabilities, len(test.label_names)
    auc, precision = ranking.roc_auc(labels, logs), ranking.average_precision(labels, logs)
    cells = labels * classes + test.predicted
    confusion = np.bincount(cells, minlength=classes**2).reshape(classes, classes)
    temperature = error = loss = sets = None
    if validation is not None:
        temperature = calibration.fit_temperature(validation.labels, validation.log_probabilities)
        scaled = calibration.with_temperature(logs, temperature)
        error, loss = calibration.reliability(labels, scaled).error, calibration.cross_entropy(labels, scaled)
        if validation.label_names == test.label_names:
            sets = conformal.measure_sets(validation.labels, validation.log_probabilities, labels, logs)
    return {
        "roc_auc": ranking.mean(auc),
        "average_precision": ranking.mean(precision),
        "per_class": [
            {"name": name, "roc_auc": float(a), "average_precision": float(p)}
            for name, a, p in zip(test.label_names, auc, precision, strict=True)
        ],
        "calibration_error": calibration.reliability(labels, logs).error,
        "cross_entropy": calibration.cross_entropy(labels, logs),
        "temperature": temperature,
        "calibration_error_scaled": error,
        "cross_entropy_scaled": loss,
        "risk_coverage_area": selective.area(selective.risk_by_coverage(labels, logs)),
        "sets": sets,
        "intervals": {name: list(ends) for name, ends in significance.image_intervals(confusion).items()},
    }


def affect_scores(test: Predictions) -> dict[str, Any] | None:
    """Computes the scores of valence and arousal, see `ferjax.scores.affect.measure`; ready for JSON.

    Returns:
        None where nothing predicts them, or no actual value is known.
    """
    if test.affect is None or test.actual_affect is None or np.isnan(test.actual_affect).all():
        return None
    return affect.measure(test.affect, test.actual_affect)


@dataclasses.dataclass(frozen=True)
class Training:
    """The training: network, data set, seed and length.

    Attributes:
        model: the network's registered name.
        dataset: the data set's registered name.
        label_names: the K class names in label order.
        seed: the run's seed.
        steps: training steps of the whole run.
        epochs: passes over the training split, possibly a fraction.
        split_digests: split name → a digest of its examples.
        init: the initial weights, see `ferjax.training.transfer`; None: drawn at random.
        relabel: the file whose labels replaced stored ones, see `ferjax.data.relabel.provenance`; None: none.
    """

    model: str
    dataset: str
    label_names: Sequence[str]
    seed: int
    steps: int
    epochs: float
    split_digests: Mapping[str, str]
    init: Mapping[str, Any] | None = None
    relabel: Mapping[str, Any] | None = None


@dataclasses.dataclass(frozen=True)
class Scores:
    """How good the chosen weights are.

    Attributes:
        best_step: the step that validation chose and that was tested.
        validation: loss, accuracy, mean_class_accuracy and macro_f1 at `best_step`; others are ignored.
        test_loss: mean loss of a test example at `best_step`.
        test_confusion: integers `[K, K]`, rows actual, columns predicted, at `best_step`.
        probabilities: see `probability_scores`; None leaves the field out.
        overlap: test images that the weights were trained on, see `ferjax.training.contamination.find`; None
            leaves the field out.
        best_on_test: the `step` whose test accuracy is highest and its scores, as much of the field reports
            it; no weights were chosen by it. None or empty leaves the field out.
        affect: see `affect_scores`; None leaves the field out.
    """

    best_step: int
    validation: Mapping[str, float]
    test_loss: float
    test_confusion: np.ndarray
    probabilities: Mapping[str, Any] | None = None
    overlap: Mapping[str, Any] | None = None
    best_on_test: Mapping[str, float] | None = None
    affect: Mapping[str, Any] | None = None


@dataclasses.dataclass(frozen=True)
class Cost:
    """The time, speed and memory of the run.

    Attributes:
        seconds: wall time of training, evaluations included.
        images_per_second: training images a second, of all devices together.
        data_wait_fraction: share in [0, 1] of the training time spent waiting for data.
        peak_memory_bytes: the most memory that one device held; None where the platform does not measure it.
        parameters: numbers of the network; None leaves the field out.
    """

    seconds: float
    images_per_second: float
    data_wait_fraction: float
    peak_memory_bytes: int | None
    parameters: int | None = None


@dataclasses.dataclass(frozen=True)
class Environment:
    """Where and when the run was tested, and with which libraries.

    Attributes:
        device: `platform` ("cpu", "gpu", "tpu"), `kind`, `count` (of all processes), `processes`.
        versions: see `ferjax.platform.versions.library_versions`.
        date: when the test split was read; timezone-aware, stored in UTC.
        machine: see `ferjax.platform.machine.describe_machine`; None leaves the field out.
    """

    device: Mapping[str, Any]
    versions: Mapping[str, str | None]
    date: datetime.datetime
    machine: Mapping[str, Any] | None = None


def build_result(training: Training, scores: Scores, cost: Cost, environment: Environment) -> dict[str, Any]:
    """Builds the content of `result.json`. Pure: nothing is read, measured or written.

    Raises:
        ValueError: the matrix does not fit the labels or counts nothing, or the date has no time zone.
        KeyError: `scores.validation` or `environment.device` lacks a field.
    """
    optional = {"probabilities": scores.probabilities, "init": training.init, "overlap": scores.overlap}
    optional |= {"best_on_test": scores.best_on_test, "affect": scores.affect, "relabel": training.relabel}
    return {
        "model": training.model,
        "dataset": training.dataset,
        "label_names": list(training.label_names),
        "best_step": int(scores.best_step),
        "steps": int(training.steps),
        "epochs": training.epochs,
        "validation": {name: float(scores.validation[name]) for name in VALIDATION},
        "test": {"loss": float(scores.test_loss), **summary(scores.test_confusion, training.label_names)},
        **run_facts(training, cost, environment),
        **{name: dict(value) for name, value in optional.items() if value},
    }


def run_facts(training: Training, cost: Cost, environment: Environment) -> dict[str, Any]:
    """Returns the fields `RUN_FACTS`: what a run cost, where it was measured, and which examples it had.

    Raises:
        ValueError: the date has no time zone.
    """
    if environment.date.tzinfo is None:
        raise ValueError("the date needs a time zone")
    return {
        "seconds": float(cost.seconds),
        "images_per_second": float(cost.images_per_second),
        "data_wait_fraction": float(cost.data_wait_fraction),
        "peak_memory_bytes": cost.peak_memory_bytes,
        "device": {name: environment.device[name] for name in DEVICE},
        "versions": dict(environment.versions),
        "date": environment.date.astimezone(datetime.UTC).isoformat(timespec="seconds"),
        "split_digests": dict(training.split_digests),
        "seed": int(training.seed),
        **({} if environment.machine is None else {"machine": dict(environment.machine)}),
        **({} if cost.parameters is None else {"parameters": int(cost.parameters)}),
    }


def read_result(path: Path | str) -> dict[str, Any]:
    """Reads a `result.json` and checks that it has every field of `build_result`, each of its kind.

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
