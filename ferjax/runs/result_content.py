"""Builds the content of `result.json` from what a run was, how good it is, what it cost and where it ran."""

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ferjax.runs.result import DEVICE, VALIDATION
from ferjax.scores.confusion import summary


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
        probabilities: see `ferjax.runs.prediction_scores.probability_scores`; None leaves the field out.
        overlap: test images that the weights were trained on, see `ferjax.training.contamination.find`; None
            leaves the field out.
        best_on_test: the `step` whose test accuracy is highest and its scores, as much of the field reports
            it; no weights were chosen by it. None or empty leaves the field out.
        affect: see `ferjax.runs.prediction_scores.affect_scores`; None leaves the field out.
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
