"""Which run of a tracking server belongs to a workdir, kept there so that a resumed run goes on in it."""

from pathlib import Path
from typing import Any

from ferjax.errors import UserError
from ferjax.files import read_json, write_json_atomic
from ferjax.runs.workdir import TRACKING as FILE


def read(workdir: Path, tracker: str) -> dict[str, str]:
    """Returns what a tracker has stored; empty if nothing.

    Raises:
        UserError: the file is damaged.
    """
    stored = _stored(workdir).get(tracker, {})
    if not isinstance(stored, dict) or not all(isinstance(value, str) for value in stored.values()):
        raise UserError(f"{workdir / FILE} is damaged; restore it, or remove it to begin new tracked runs")
    return stored


def write(workdir: Path, tracker: str, facts: dict[str, str]) -> None:
    """Stores what a tracker needs to go on; what others have stored stays."""
    write_json_atomic(workdir / FILE, {**_stored(workdir), tracker: facts})


def _stored(workdir: Path) -> dict[str, Any]:
    path = workdir / FILE
    content = read_json(path) if path.exists() else {}
    if not isinstance(content, dict):
        raise UserError(f"{path} is damaged; restore it, or remove it to begin new tracked runs")
    return content
