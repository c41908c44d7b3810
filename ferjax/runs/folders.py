"""Finds the runs in a folder."""

import os
from pathlib import Path

from ferjax.errors import UserError
from ferjax.files import user_path
from ferjax.runs.checkpoint_files import FOLDER as CHECKPOINTS
from ferjax.runs.workdir import CONFIG, METRICS, RESULT


def is_run(folder: Path) -> bool:
    """Tells whether a folder is one that training has begun to write, finished or not."""
    if (folder / RESULT).is_file() or (folder / METRICS).is_file():
        return True
    return (folder / CONFIG).is_file() and (folder / CHECKPOINTS).is_dir()


def find_runs(folder: Path | str) -> list[Path]:
    """Lists the runs in a folder and in all folders below it, sorted; links are not followed.

    Args:
        folder: one of runs, of an experiment, or a run itself. What lies inside a run is its own.

    Raises:
        UserError: there is no such folder.
    """
    folder = user_path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder} is not a directory; name a run's --workdir, or a folder of runs")
    runs = []
    for place, inner, _ in os.walk(folder):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        if is_run(Path(place)):
            runs.append(Path(place))
            inner.clear()
    return sorted(runs)
