"""What the report knows of a run: the files of its workdir, read and checked."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ferjax.errors import UserError
from ferjax.files import read_json, read_json_lines
from ferjax.runs import predictions
from ferjax.runs.predictions import Predictions
from ferjax.runs.result import read_result


class Run(NamedTuple):
    """A workdir in memory."""

    workdir: Path
    config: dict
    rows: list[dict]  # of metrics.jsonl: step, split and named values
    result: dict | None  # None while the run is unfinished
    test: Predictions | None = None  # of the best step, if they were kept
    validation: Predictions | None = None

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.workdir.resolve().name

    @property
    def title(self) -> str:
        """What was trained on what, as far as it is known."""
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
        steps, values = series(self.rows, "validation", "accuracy")
        measured = [(value, -step) for step, value in zip(steps, values, strict=True) if math.isfinite(value)]
        return -max(measured)[1] if measured else None


def read_run(workdir: Path | str) -> Run:
    """Reads `config.json`, `metrics.jsonl`, `result.json` and the predictions of a workdir.

    All but the first may be absent.

    Raises:
        UserError: if it is not a workdir, or one of the files is corrupt.
    """
    workdir = Path(workdir)
    if not workdir.is_dir():
        raise UserError(f"{workdir} is not a directory; give the --workdir of a run")
    if not (workdir / "config.json").exists():
        raise UserError(f"{workdir} is not a workdir: it has no config.json; give the --workdir of a run")
    config = read_json(workdir / "config.json")
    if not isinstance(config, dict):
        raise UserError(f"{workdir / 'config.json'} is not a JSON object; restore the file")
    rows_path, result_path = workdir / "metrics.jsonl", workdir / "result.json"
    rows = read_json_lines(rows_path, required=("step", "split")) if rows_path.exists() else []
    result = read_result(result_path) if result_path.exists() else None
    said = {split: _said(workdir, result, split) for split in ("test", "validation")}
    return Run(workdir, config, rows, result, **said)


def _said(workdir: Path, result: dict | None, split: str) -> Predictions | None:
    """What the tested weights said about a split of the run's own set, if it is kept."""
    if result is None:
        return None
    path = predictions.place(workdir, result["dataset"], split, "npz")
    found = predictions.read(path) if path.exists() else None
    whole = found is not None and found.step == result["best_step"]
    return found if whole and list(found.label_names) == result["label_names"] else None


def series(rows: Sequence[dict], split: str, name: str) -> tuple[list[int], list[float]]:
    """Steps and values of one metric of one split, in the order written; null becomes NaN, a gap."""
    points = [(row["step"], row[name]) for row in rows if row["split"] == split and name in row]
    return [step for step, _ in points], [math.nan if value is None else value for _, value in points]
