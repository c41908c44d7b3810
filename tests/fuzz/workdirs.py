"""Workdirs of runs, damaged or edited by hand: what reads them, and what begins or resumes in them."""

import datetime
import functools
import json
import os
from pathlib import Path
from random import Random

import numpy as np
import tiny
from results import result_of
from untrained import LABELS, write_run

from ferjax import files
from ferjax.inference.open_run import open_network
from ferjax.report.run import read_run
from ferjax.runs import prediction_scores, predictions, workdir
from ferjax.runs.predictions import Predictions
from fuzz import mutations, seeds
from fuzz.case import Case


@functools.cache
def _finished() -> dict[str, bytes]:
    return seeds.kept(_write)


def _write(folder: Path) -> None:
    run = write_run(folder / "run")
    (run / ".lock").touch()
    rows = [{"step": step, "split": "validation", "loss": 1.0, "accuracy": 0.5} for step in (1, 2)]
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    labels = np.arange(21) % 7
    logs = np.log(np.full((21, 7), 0.05) + 0.65 * np.eye(7)[labels])
    test = Predictions("fer2013", "test", "45", 0, LABELS, np.arange(21), labels, logs.astype(np.float32))
    predictions.save(run, test)
    fields = {
        "model": "tiny", "dataset": "fer2013", "label_names": LABELS, "best_step": 0, "steps": 2,
        "epochs": 1.0,
        "validation": {"loss": 1.3, "accuracy": 0.7, "mean_class_accuracy": 0.65, "macro_f1": 0.64},
        "test_loss": 1.4, "test_confusion": np.diag([3] * 7), "seconds": 4.0, "images_per_second": 20.0,
        "data_wait_fraction": 0.0, "peak_memory_bytes": 34,
        "device": {"platform": "cpu", "kind": "cpu", "count": 1, "processes": 1},
        "versions": {"ferjax": "0.1.0"},
        "date": datetime.datetime(2025, 3, 1, tzinfo=datetime.UTC), "split_digests": {"train": "01",
        "test": "45"},
        "seed": 0, "probabilities": prediction_scores.probability_scores(test, test),
    }  # fmt: skip
    files.write_json_atomic(run / "result.json", result_of(**fields))


def make(rng: Random, folder: Path) -> Case:
    """A workdir with one or two files damaged, and one thing that is done with it."""
    run = seeds.lay(_finished(), folder / "user") / "run"
    about = [rng.choice((_json, _json, _rows, _any))(rng, run) for _ in range(rng.choice((1, 1, 2)))]
    if not os.path.lexists(run / ".lock"):
        (run / ".lock").touch()  # whoever resumes makes it
    what = rng.choice((_open, _report, _resume))
    return Case(
        lambda: what(run),
        folder / "user" if what is not _resume else folder,
        about=f"{what.__name__}: {about}",
    )


def _json(rng: Random, run: Path) -> str:
    path = run / rng.choice(("config.json", "result.json"))
    if not mutations.is_own(path):
        return "nothing"
    try:
        content = mutations.changed_json(rng, json.loads(path.read_bytes()))
    except ValueError:  # it is damaged already
        content = {}
    path.write_text(json.dumps(content))
    return f"{path.name} {json.dumps(content)[:1500]}"


def _rows(rng: Random, run: Path) -> str:
    path = run / "metrics.jsonl"
    lines = [
        json.dumps(mutations.changed_json(rng, {"step": 3, "split": "train", "loss": 1.0})) for _ in range(3)
    ]
    if not mutations.is_own(path):
        return "nothing"
    path.write_text("\n".join(lines) + "\n")
    return f"metrics.jsonl {lines}"


def _any(rng: Random, run: Path) -> str:
    return mutations.disturb(rng, run)


def _open(run: Path) -> None:
    network = open_network(run)
    assert network.label_names


def _report(run: Path) -> None:
    read = read_run(run)
    assert read.title
    read.best_step  # noqa: B018 — computed from the rows


def _resume(run: Path) -> None:
    with workdir.claim(run, tiny.tiny_configuration(), writes=True):
        pass
