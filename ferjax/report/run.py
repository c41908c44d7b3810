"""What the report knows of a run: the files of its workdir, read and checked."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ferjax.errors import UserError
from ferjax.json_files import read_json, read_json_lines
from ferjax.result import read_result


class Run(NamedTuple):
    """A workdir in memory."""

    workdir: Path
    config: dict
    rows: list[dict]  # of metrics.jsonl: step, split and named values
    result: dict | None  # None while the run is unfinished

    @property
    def best_step(self) -> int | None:
        """The step that validation chose, or the best so far; None before the first validation."""
        if self.result is not None:
            return self.result["best_step"]
        steps, values = series(self.rows, "validation", "accuracy")
        measured = [(value, -step) for step, value in zip(steps, values, strict=True) if math.isfinite(value)]
        return -max(measured)[1] if measured else None


def read_run(workdir: Path | str) -> Run:
    """Reads `config.json`, `metrics.jsonl` and `result.json` of a workdir; the last two may be absent.

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
    return Run(workdir, config, rows, read_result(result_path) if result_path.exists() else None)


def series(rows: Sequence[dict], split: str, name: str) -> tuple[list[int], list[float]]:
    """Steps and values of one metric of one split, in the order written; null becomes NaN, a gap."""
    points = [(row["step"], row[name]) for row in rows if row["split"] == split and name in row]
    return [step for step, _ in points], [math.nan if value is None else value for _, value in points]
