"""The plan of a large prediction: its inputs cut into tasks, on disk, so that a rerun goes on where it was.

A folder of results holds

    part-00000.parquet, …    the rows of each task, whole or absent
    _plan/plan.json          what the command was; written last, so that a plan is whole or absent
    _plan/tasks/00000.jsonl  the inputs of each task
    _plan/done/00000.json    what came out of it; written after its part

Readers of Parquet folders pass over names that begin with an underscore.
"""

import contextlib
import dataclasses
import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ferjax.bulk.entries import Entry, from_line, to_line
from ferjax.errors import UserError
from ferjax.files import read_json, replacing, write_json_atomic
from ferjax.platform import outputs
from ferjax.runs.config_check import differences

FORMAT = 1
_PLAN, _LOCK, _FILE = "_plan", ".lock", "plan.json"
_CONTAINERS = ("member", "rows")
_ELSEWHERE = "name another --parts"


@dataclasses.dataclass(frozen=True)
class Plan:
    """The tasks of one command.

    Attributes:
        folder: of the results.
        suffix: of the parts: csv, jsonl or parquet.
        base: the folder from which relative paths are seen.
        sizes: how many inputs each task has.
    """

    folder: Path
    suffix: str
    base: Path
    sizes: tuple[int, ...]

    def part(self, task: int) -> Path:
        """Returns the file of a task's rows."""
        return self.folder / f"part-{task:05d}.{self.suffix}"

    def done(self, task: int) -> Path:
        """Returns the file that says what came out of a task; where it exists, the part is whole."""
        return self.folder / _PLAN / "done" / f"{task:05d}.json"

    def error(self, task: int) -> Path:
        """Returns the file that says why a task could not be carried out."""
        return self.done(task).with_suffix(".error")

    def todo(self) -> list[int]:
        """Returns the tasks that are not done."""
        return [task for task in range(len(self.sizes)) if not self.done(task).exists()]

    def entries(self, task: int) -> list[Entry]:
        """Reads the inputs of a task.

        Raises:
            UserError: the file is missing or damaged.
        """
        path = _task_file(self.folder / _PLAN, task)
        try:
            with path.open(encoding="ascii") as file:
                entries = [from_line(line) for line in file]
        except (OSError, ValueError, TypeError) as error:
            raise UserError(f"{path} cannot be read ({error}); {_ELSEWHERE}") from error
        if sum(entry.inputs for entry in entries) != self.sizes[task]:
            raise UserError(f"{path} was changed; {_ELSEWHERE}")
        return entries


def _task_file(folder: Path, task: int) -> Path:
    return folder / "tasks" / f"{task:05d}.jsonl"


@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Makes the folder of results and locks it against a second command.

    Raises:
        UserError: another command writes there, it holds other things, or cannot be written.
    """
    with outputs.describing_errors(folder, _ELSEWHERE):
        if folder.exists() and not folder.is_dir():
            raise UserError(f"{folder} is no folder; {_ELSEWHERE}")
        if not (folder / _PLAN).is_dir() and folder.is_dir() and any(folder.iterdir()):
            raise UserError(f"{folder} holds other files than predictions in parts; {_ELSEWHERE}")
        before = folder.exists()
        (folder / _PLAN).mkdir(parents=True, exist_ok=True)
        lock = (folder / _PLAN / _LOCK).open("w")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(f"another command is writing {folder}; wait for it, or {_ELSEWHERE}") from None
        try:
            yield
        except UserError:
            if not (folder / _PLAN / _FILE).exists():  # nothing was planned, so nothing is to stay
                shutil.rmtree(folder / _PLAN, ignore_errors=True)
                if not before:
                    with contextlib.suppress(OSError):  # somebody has put a file there
                        folder.rmdir()
            raise


def read(folder: Path, command: Mapping[str, Any]) -> Plan | None:
    """Reads the plan of an earlier start of the same command; None if there is none.

    Args:
        folder: of the results.
        command: everything that decides the rows.

    Raises:
        UserError: the plan is of another command, or damaged, or a file that holds its inputs has changed.
    """
    path = folder / _PLAN / _FILE
    if not path.exists():
        return None
    stored = read_json(path)
    try:
        if stored["format"] != FORMAT:
            raise UserError(f"{path} is of another version of ferjax; {_ELSEWHERE}")
        if differing := differences(stored["command"], command):
            raise UserError(f"{folder} holds the parts of another command ({differing}); {_ELSEWHERE}")
        plan = Plan(folder, command["format"], Path(stored["base"]), tuple(map(int, stored["sizes"])))
        for name, stamp in stored["containers"].items():
            if _stamp(plan.base / name) != stamp:
                raise UserError(f"{name} was changed since {folder} was begun; {_ELSEWHERE}")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path} is damaged ({type(error).__name__}); {_ELSEWHERE}") from error
    return plan


def make(folder: Path, entries: Iterable[Entry], part_inputs: int, command: Mapping[str, Any]) -> Plan:
    """Cuts inputs into tasks and writes the plan; holds one task at a time in memory.

    Args:
        folder: of the results, locked.
        entries: the inputs.
        part_inputs: a task ends when it holds so many, or as much work as so many pictures.
        command: see `read`.

    Raises:
        UserError: there is no input, or the folder cannot be written.
    """
    place = folder / _PLAN
    with outputs.describing_errors(folder, _ELSEWHERE):
        for leftover in ("tasks", "done"):  # of a start that ended before its plan was whole
            shutil.rmtree(place / leftover, ignore_errors=True)
            (place / leftover).mkdir()
        sizes, containers = [], {}
        for task in _cut(entries, part_inputs):
            with replacing(_task_file(place, len(sizes))) as unfinished:
                unfinished.write_text("".join(map(to_line, task)), encoding="ascii")
            sizes.append(sum(entry.inputs for entry in task))
            names = {entry.path for entry in task if entry.kind in _CONTAINERS} - containers.keys()
            containers |= {name: _stamp(Path(name)) for name in names}
        if not sizes:
            raise UserError("there is no picture and no video among the inputs")
        content = {
            "format": FORMAT,
            "command": command,
            "base": os.getcwd(),
            "sizes": sizes,
            "containers": containers,
        }
        write_json_atomic(place / _FILE, content)
    return Plan(folder, command["format"], Path.cwd(), tuple(sizes))


def _cut(entries: Iterable[Entry], part_inputs: int) -> Iterator[Sequence[Entry]]:
    task: list[Entry] = []
    work = 0
    for entry in entries:
        task.append(entry)
        work += entry.work
        if work >= part_inputs:
            yield task
            task, work = [], 0
    if task:
        yield task


def _stamp(path: Path) -> list[int]:
    """Returns the size and the time of the last change of a file; nothing if it is not there."""
    with contextlib.suppress(OSError):
        status = path.stat()
        return [status.st_size, status.st_mtime_ns]
    return []
