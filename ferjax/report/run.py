"""Reads the files of a run's workdir and checks them."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ferjax.errors import UserError
from ferjax.files import read_json, user_path
from ferjax.runs import predictions, pretraining_result
from ferjax.runs.metrics import read_metrics
from ferjax.runs.predictions import Predictions
from ferjax.runs.result import read_result
from ferjax.scores import significance

_DEEPEST = 20  # groups in groups of a config


class Run(NamedTuple):
    """A workdir in memory.

    Attributes:
        workdir: the folder.
        config: the content of `config.json`.
        rows: the objects of `metrics.jsonl`: step, split and named values.
        result: the content of `result.json`; None while the run is unfinished, and in pre-training.
        test: predictions of the best step for test; None if they were not kept.
        validation: predictions of the best step for validation; None if they were not kept.
        losses: the content of `result.json` of a finished run of pre-training; None for others.
    """

    workdir: Path
    config: dict[str, Any]
    rows: list[dict[str, Any]]
    result: dict[str, Any] | None
    test: Predictions | None = None
    validation: Predictions | None = None
    losses: dict[str, Any] | None = None

    @property
    def pretrains(self) -> bool:
        """Whether the run trains without labels, and so has no scores of classes."""
        return _pretrains(self.config)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.workdir.resolve().name

    @property
    def title(self) -> str:
        """The network and the data set, as far as they are known."""
        if self.result is not None:
            return f"{self.result['model']} on {self.result['dataset']}"
        groups = [self.config.get(group) for group in ("model", "data")]
        names = [str(group["name"]) for group in groups if isinstance(group, dict) and "name" in group]
        return " on ".join(names) or "A run"

    @property
    def best_step(self) -> int | None:
        """The step that validation chose, or the best so far; None before the first validation."""
        if self.result is not None:
            return self.result["best_step"]
        if self.losses is not None:
            return self.losses["best_step"]
        steps, values = series(self.rows, "validation", "loss" if self.pretrains else "accuracy")
        sign = -1 if self.pretrains else 1
        measured = [
            (sign * value, -step) for step, value in zip(steps, values, strict=True) if math.isfinite(value)
        ]
        return -max(measured)[1] if measured else None


def read_run(workdir: Path | str) -> Run:
    """Reads `config.json`, `metrics.jsonl`, `result.json` and the predictions of a workdir.

    All but the first may be absent.

    Raises:
        UserError: it is not a workdir, or one of the files is damaged.
    """
    workdir = user_path(workdir)
    if not workdir.is_dir():
        raise UserError(f"{workdir} is not a directory; give the --workdir of a run")
    if not (workdir / "config.json").exists():
        raise UserError(f"{workdir} is not a workdir: it has no config.json; give the --workdir of a run")
    config = read_json(workdir / "config.json")
    if not isinstance(config, dict) or not config or _depth(config) > _DEEPEST:
        raise UserError(f"{workdir / 'config.json'} is not the config of a run; restore the file")
    rows_path, result_path = workdir / "metrics.jsonl", workdir / "result.json"
    rows = read_metrics(rows_path) if rows_path.exists() else []
    if _pretrains(config):
        losses = pretraining_result.read(result_path) if result_path.exists() else None
        return Run(workdir, config, rows, None, losses=losses)
    result = read_result(result_path) if result_path.exists() else None
    test, validation = (_predictions(workdir, result, split) for split in ("test", "validation"))
    return Run(workdir, config, rows, result, test, validation)


def _pretrains(config: Mapping[str, Any]) -> bool:
    group = config.get("pretrain")  # runs of earlier versions have none
    return isinstance(group, dict) and group.get("method", "none") != "none"


def _depth(value: object) -> int:
    """Returns how many objects and lists stand in each other."""
    depth, inner = 0, [value]
    while inner := [
        part
        for outer in inner
        if isinstance(outer, dict | list)
        for part in (outer.values() if isinstance(outer, dict) else outer)
    ]:
        depth += 1
    return depth


def _predictions(workdir: Path, result: dict[str, Any] | None, split: str) -> Predictions | None:
    """Reads the tested weights' predictions for a split of the run's own set, if they were kept."""
    if result is None:
        return None
    path = predictions.place(workdir, result["dataset"], split, "npz")
    if not path.exists():
        return None
    stored = predictions.read(path)
    of_these_weights = stored.step == result["best_step"]
    return stored if of_these_weights and list(stored.label_names) == result["label_names"] else None


def test_intervals(result: Mapping[str, Any]) -> Mapping[str, Sequence[float]]:
    """Returns 95 % intervals over test images: those of the result, or new ones for a run that stored none.

    Args:
        result: the content of `result.json`.

    Returns:
        accuracy, mean_class_accuracy and macro_f1 → the two ends, in [0, 1].
    """
    stored = result.get("probabilities")
    if stored:
        return stored["intervals"]
    return significance.image_intervals(np.array(result["test"]["confusion_matrix"]))


def series(rows: Sequence[Mapping[str, Any]], split: str, name: str) -> tuple[list[int], list[float]]:
    """Returns steps and values of one metric of one split, in the order written; null becomes NaN, a gap."""
    points = [(row["step"], row[name]) for row in rows if row["split"] == split and name in row]
    return [step for step, _ in points], [math.nan if value is None else value for _, value in points]
