"""Runs as training leaves them, with scores and costs that a test chooses."""

import datetime
import functools

import numpy as np
import pytest
from results import result_of

from ferjax import files

LABELS = ("sad", "happy")


def make(folder, name="run", right=70, seed=0, finished=True, config=None, **changes):
    """Writes a run whose test accuracy is `right` percent of a hundred images of each class."""
    workdir = folder / name
    model = changes.get("model", "resnet18")
    settings = {"model": {"name": model}, "train": {"seed": seed}, **(config or {})}
    files.write_json_atomic(workdir / "config.json", settings)
    (workdir / "metrics.jsonl").write_text('{"step": 10, "split": "train", "loss": 1.0}\n')
    if finished:
        fields = {
            "model": model,
            "dataset": "fer2013",
            "label_names": LABELS,
            "best_step": 10,
            "steps": 10,
            "epochs": 1,
            "validation": {"loss": 1.0, "accuracy": 0.7, "mean_class_accuracy": 0.7, "macro_f1": 0.7},
            "test_loss": 1.0,
            "test_confusion": np.array([[right, 100 - right], [100 - right, right]]),
            "seconds": 100.0,
            "images_per_second": 100.0,
            "data_wait_fraction": 0.0,
            "peak_memory_bytes": 2**30,
            "parameters": 1000,
            "device": {"platform": "gpu", "kind": "Some GPU", "count": 1, "processes": 1},
            "versions": {"ferjax": "0.1.0"},
            "date": datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC),
            "split_digests": {"train": "0123", "test": "4567"},
            "seed": seed,
        }
        files.write_json_atomic(workdir / "result.json", result_of(**(fields | changes)))
    return workdir


@pytest.fixture
def make_run(tmp_path):
    return functools.partial(make, tmp_path / "runs")
