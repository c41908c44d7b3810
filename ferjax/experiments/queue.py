"""Many workers, one list of tasks: the same command, started as often as one likes, divides the work.

A task is done by one worker at a time, see `ferjax.experiments.leases`; that of a killed worker is taken over
by another one, which goes on where it was saved.
"""

import contextlib
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ferjax.errors import UserError
from ferjax.experiments.leases import Leases
from ferjax.files import read_json, write_json_atomic

FOLDER = ".queue"
TRIALS = "trials"  # beside it: the runs that a search compares on validation
_POLL = 2.0  # seconds between two looks at what others do


class Task(NamedTuple):
    """A piece of work.

    Attributes:
        name: unique among the tasks; a file name.
        done: tells whether it is finished, by whomever; read from files that all workers see.
        run: does it, or goes on with it.
    """

    name: str
    done: Callable[[], bool]
    run: Callable[[], object]


class Queue:
    """The queue of an experiment's folder, and how long this worker was busy and idle in it."""

    def __init__(
        self,
        workdir: Path,
        leases: Leases | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Makes the folder of leases.

        Args:
            workdir: the experiment's folder, on a disk that all workers see.
            leases: others than those in the folder's own queue.
            clock: seconds that only go forward.
            sleep: waits for so many seconds.

        Raises:
            UserError: the folder cannot be written.
        """
        self._folder = workdir / FOLDER
        self._leases = leases or Leases(self._folder)
        self._clock, self._sleep = clock, sleep
        self._record = self._folder / f"worker-{uuid.uuid4().hex}.json"
        self._numbers: dict[str, Any] = {
            "host": socket.gethostname(), "pid": os.getpid(), "busy_seconds": 0.0, "idle_seconds": 0.0,
            "tasks": 0,
        }  # fmt: skip

    def work(self, tasks: Sequence[Task]) -> None:
        """Does what is left of the tasks, and returns when all are done, by this worker or by others."""
        while pending := [task for task in tasks if not task.done()]:
            if not any(self.attempt(task) for task in pending):
                self.wait()

    def attempt(self, task: Task) -> bool:
        """Does a task unless another worker is at it; tells whether it was free."""
        lease = self._leases.take(task.name)
        if lease is None:
            return False
        with lease:
            if not task.done():
                with self._counting("busy_seconds"):
                    task.run()
                self._numbers["tasks"] += 1
                write_json_atomic(self._record, self._numbers)
        return True

    def wait(self) -> None:
        """Waits a moment for other workers."""
        with self._counting("idle_seconds"):
            self._sleep(_POLL)
        write_json_atomic(self._record, self._numbers)

    @contextlib.contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Keeps other workers out of a block that all run, one after another."""
        while (lease := self._leases.take(name)) is None:
            self.wait()
        with lease:
            yield

    @contextlib.contextmanager
    def _counting(self, name: str) -> Iterator[None]:
        began = self._clock()
        try:
            yield
        finally:
            self._numbers[name] += self._clock() - began


def trials_of(workdir: Path) -> Path | None:
    """Returns the folder of a search's trials that holds a run; None if the run is no trial."""
    return next(
        (above for above in workdir.parents if above.name == TRIALS and (above.parent / FOLDER).is_dir()),
        None,
    )


def workers(workdir: Path) -> list[dict[str, Any]]:
    """Reads what all workers of an experiment did: `host`, `pid`, `busy_seconds`, `idle_seconds`, `tasks`.

    Raises:
        UserError: a file is damaged.
    """
    found = [_worker(path) for path in sorted((workdir / FOLDER).glob("worker-*.json"))]
    return sorted(found, key=lambda worker: (worker["host"], worker["pid"]))


def _worker(path: Path) -> dict[str, Any]:
    worker = read_json(path)
    kinds = {"host": str, "pid": int, "busy_seconds": float, "idle_seconds": float, "tasks": int}
    if not isinstance(worker, dict) or any(type(worker.get(key)) is not kind for key, kind in kinds.items()):
        raise UserError(f"{path} is damaged; remove it: only the times of one worker are in it")
    return worker
