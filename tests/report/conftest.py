import datetime
import functools
import math

import numpy as np
import pytest
from results import result_of

from ferjax import files
from ferjax.report import page
from ferjax.runs import prediction_scores, predictions
from ferjax.runs.predictions import Predictions
from ferjax.training import metric_writers

LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def confusion(classes):
    """About two thirds right, different in every row."""
    matrix = np.random.default_rng(0).integers(0, 40, (classes, classes))
    return matrix + np.diag(matrix.sum(axis=1) * 2)


def make(parent, name="run", finished=True, labels=LABELS, matrix=None, config=None, points=60, **changes):
    """Writes the files of a run as training does; `finished=False` leaves `result.json` out."""
    workdir = parent / name
    settings = {"model": {"name": "resemotenet"}, "data": {"name": "fer2013", "cache": True}}
    files.write_json_atomic(workdir / "config.json", settings | (config or {}))
    rows = metric_writers.JsonlWriter(workdir / "metrics.jsonl")
    for step in range(100, 100 * points + 1, 100):
        share = step / 6000
        rows.write(
            step,
            "train",
            {"loss": 2 - 1.5 * share, "accuracy": 0.2 + 0.6 * share, "learning_rate": 1e-4 * (1 - share)},
        )
        loss = math.nan if step == 900 else 2 - share
        rows.write(step, "validation", {"loss": loss, "accuracy": 0.7 - (share - 0.7) ** 2})
    rows.close()
    if finished:
        fields = {
            "model": "resemotenet",
            "dataset": "fer2013",
            "label_names": labels,
            "best_step": 4200,
            "steps": 6000,
            "epochs": 60,
            "validation": {"loss": 1.3, "accuracy": 0.7, "mean_class_accuracy": 0.65, "macro_f1": 0.64},
            "test_loss": 1.4,
            "test_confusion": confusion(len(labels)) if matrix is None else matrix,
            "seconds": 4530.0,
            "images_per_second": 2310.4,
            "data_wait_fraction": 0.004,
            "peak_memory_bytes": 3435973836,
            "device": {"platform": "gpu", "kind": "Some GPU", "count": 2, "processes": 1},
            "versions": {"python": "3.11.0", "ferjax": "0.1.0", "jax": "0.10.2", "grain": None},
            "date": datetime.datetime(2025, 3, 1, 12, tzinfo=datetime.UTC),
            "split_digests": {"train": "0123", "test": "4567"},
            "seed": 0,
        }
        files.write_json_atomic(workdir / "result.json", result_of(**(fields | changes)))
    return workdir


def said(split="test", classes=7, seed=0, count=400, labels=LABELS):
    """What a network that is right two times in three might say."""
    generator = np.random.default_rng([seed, len(split)])
    actual = np.arange(count) % classes
    logits = generator.normal(0, 1, (count, classes)) + 1.8 * np.eye(classes)[actual]
    shifted = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return Predictions("fer2013", split, "4567", 4200, tuple(labels), np.arange(count), actual, shifted)


def make_with_predictions(parent, name="run", seed=0, validation=True, **changes):
    """The same, with predictions that fit the result."""
    test = said(seed=seed)
    matrix = np.zeros((7, 7), int)
    np.add.at(matrix, (test.labels, test.predicted), 1)
    held_out = said("validation", seed=seed) if validation else None
    changes = {
        "matrix": matrix,
        "probabilities": prediction_scores.probability_scores(test, held_out),
        "seed": seed,
        **changes,
    }
    workdir = make(parent, name, **changes)
    for one in filter(None, (test, held_out)):
        predictions.save(workdir, one)
    return workdir


@pytest.fixture
def make_workdir(tmp_path):
    return functools.partial(make, tmp_path)


@pytest.fixture
def make_run(tmp_path):
    """With predictions."""
    return functools.partial(make_with_predictions, tmp_path)


@pytest.fixture(scope="session")
def finished_page(tmp_path_factory):
    """The page of a finished run, to read only."""
    return page.write_page(make_with_predictions(tmp_path_factory.mktemp("finished")))


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory):
    """Two runs with predictions for the same images, which a module may change."""
    folder = tmp_path_factory.mktemp("two")
    return make_with_predictions(folder, "one"), make_with_predictions(folder, "other", seed=1)
