"""How long `python -m ferjax report` takes for ten finished runs, with predictions and pictures.

    python -m benchmarks.report [--runs=10]

The runs are written by this benchmark: 80 epochs of curves, and random predictions of the test split of
`toons/avataaars`, whose images the pages show. The time is the whole command's, Python's start included.
"""

import datetime
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from absl import app, flags

from benchmarks import measure
from ferjax import data
from ferjax.config import defaults
from ferjax.data.sources import Source
from ferjax.files import write_json_atomic
from ferjax.platform.versions import library_versions
from ferjax.runs import predictions
from ferjax.runs.prediction_scores import probability_scores
from ferjax.runs.predictions import Predictions
from ferjax.runs.result_content import Cost, Environment, Scores, Training, build_result
from ferjax.training import metric_writers

_RUNS = flags.DEFINE_integer("runs", 10, "How many runs.")
_ROUNDS = flags.DEFINE_integer("rounds", 3, "How often the command is timed.")
STEP = 9000


def write_run(workdir: Path, test: Source, validation: Source, seed: int) -> None:
    """A finished run as training leaves it, without checkpoints."""
    generator = np.random.default_rng(seed)
    config = defaults()
    config.train.seed = seed
    write_json_atomic(workdir / "config.json", config.to_dict())
    rows = metric_writers.JsonlWriter(workdir / "metrics.jsonl")
    for step in range(20, 10_001, 20):
        share = step / 10_000
        rows.write(step, "train", {"loss": 2 - share, "accuracy": share, "learning_rate": 0.1 * (1 - share)})
        if step % 125 == 0:
            rows.write(step, "validation", {"loss": 2 - share, "accuracy": 0.9 * share})
    rows.close()
    said = {}
    for source in (test, validation):
        logits = generator.normal(0, 1, (len(source), 7)) + 2 * np.eye(7)[source.labels]
        shifted = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        said[source.split] = Predictions.of(source, shifted, STEP)
        predictions.save(workdir, said[source.split])
    confusion = np.zeros((7, 7), int)
    np.add.at(confusion, (test.labels, said["test"].predicted), 1)
    fields = {"loss": 1.0, "accuracy": 0.7, "mean_class_accuracy": 0.7, "macro_f1": 0.7}
    training = Training(
        model="resemotenet",
        dataset=test.name,
        label_names=test.label_names,
        seed=seed,
        steps=10_000,
        epochs=80,
        split_digests={"test": test.digest()},
    )
    scores = Scores(
        best_step=STEP,
        validation=fields,
        test_loss=1.0,
        test_confusion=confusion,
        probabilities=probability_scores(said["test"], said["validation"]),
    )
    cost = Cost(600.0, images_per_second=500.0, data_wait_fraction=0.01, peak_memory_bytes=2**30)
    device = {"platform": "cpu", "kind": "cpu", "count": 1, "processes": 1}
    environment = Environment(device, library_versions(), datetime.datetime.now(datetime.UTC))
    content = build_result(training, scores, cost, environment)
    write_json_atomic(workdir / "result.json", content)


def main(argv: list[str]) -> None:
    del argv
    splits = [
        data.load("toons/avataaars", split, cache="stream", image_size=64) for split in ("test", "validation")
    ]
    with tempfile.TemporaryDirectory() as folder:
        runs = [Path(folder) / f"run-{seed}" for seed in range(_RUNS.value)]
        for seed, workdir in enumerate(runs):
            write_run(workdir, *splits, seed)
        seconds = []
        for _ in range(_ROUNDS.value):
            start = time.perf_counter()
            command = [sys.executable, "-m", "ferjax", "report", *map(str, runs)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            seconds.append(time.perf_counter() - start)
    stats = measure.summary(seconds)
    print(f"{_RUNS.value} runs: {stats['median']:.1f} s (from {stats['min']:.1f} to {stats['max']:.1f})")
    rows = [{"what": "report", "runs": _RUNS.value, "seconds": stats}]
    measure.record("report", rows, ("matplotlib", "numpy", "scipy"), "benchmarks/results/report.json")


if __name__ == "__main__":
    app.run(main)
