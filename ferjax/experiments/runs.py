"""Trains the runs of an experiment: finished ones are read, not trained again.

Runs that differ in the seed alone share data and compiled steps.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jax.sharding import Mesh
from ml_collections import ConfigDict

from ferjax.config import needs_classes
from ferjax.experiments.queue import Queue, Task
from ferjax.files import file_name, to_json, write_atomic
from ferjax.platform import outputs
from ferjax.runs.result import read_result
from ferjax.runs.workdir import RESULT, Busy, check_config
from ferjax.training.loop import Stopped, train_and_evaluate
from ferjax.training.prepared import prepare
from ferjax.training.setup import Prepared

logger = logging.getLogger(__name__)


class Runner:
    """Trains configs one after the other in this process.

    Data, mesh and compiled steps of the last config are kept, so that runs which differ only in `train.seed`
    load and compile once. Another config frees them: loop over the seeds inside the loop over configs.

    Attributes:
        prepared: how often data was loaded and steps were built anew.
        kept: what the last config's runs share; None before the first.
    """

    def __init__(self) -> None:
        self.prepared = 0
        self._config: ConfigDict | None = None
        self.kept: Prepared | None = None

    def run(self, config: ConfigDict, workdir: Path | str) -> dict[str, Any]:
        """Returns the content of `result.json`; trains first, unless the folder holds the finished run.

        Args:
            config: the run's config; fields that change no number may differ from the finished run's.
            workdir: the run's own folder; an unfinished run in it goes on.

        Raises:
            UserError: bad input, a folder of another config, or a corrupt file in it.
            Stopped: SIGTERM or ^C came; the state is saved.
        """
        needs_classes(config, "an experiment")
        return train_and_evaluate(config, workdir, self._prepare)

    def run_all(self, runs: Sequence[tuple[ConfigDict, Path]]) -> list[dict[str, Any]]:
        """Trains configs, each in its own folder, and returns their results; see `run`."""
        return [self.run(config, workdir) for config, workdir in runs]

    def do_all(self, tasks: Sequence[Task]) -> None:
        """Does what else an experiment needs beside its runs."""
        for task in tasks:
            task.run()

    def _prepare(self, config: ConfigDict, mesh: Mesh) -> Prepared:
        without_seed = with_seed(config, 0)
        if self.kept is None or self._config != without_seed:
            self.kept = None  # frees its data before other data is loaded
            self.kept = prepare(config, mesh)
            self._config = without_seed
            self.prepared += 1
        return self.kept


class QueueRunner(Runner):
    """Shares the runs of an experiment with the same command in other processes, on any machine."""

    def __init__(self, workdir: Path | str, queue: Queue | None = None) -> None:
        """Makes the queue's folder.

        Args:
            workdir: the experiment's folder, on a disk that all workers see.
            queue: another one than the folder's own.

        Raises:
            UserError: the folder cannot be written.
        """
        super().__init__()
        self._workdir = Path(workdir)
        self.queue = queue or Queue(self._workdir)

    def run_all(self, runs: Sequence[tuple[ConfigDict, Path]]) -> list[dict[str, Any]]:
        """Trains those of the runs that no other worker trains, and waits for the others' results."""
        for config, workdir in runs:
            if (workdir / RESULT).exists():
                check_config(workdir, config)
        self.queue.work([self._task(config, workdir) for config, workdir in runs])
        return [read_result(workdir / RESULT) for _, workdir in runs]

    def do_all(self, tasks: Sequence[Task]) -> None:
        """Does those of the tasks that no other worker does, and waits for the others."""
        self.queue.work(tasks)

    def _task(self, config: ConfigDict, workdir: Path) -> Task:
        def run() -> None:
            try:
                self.run(config, workdir)
            except Busy:  # its worker was silent for long, but lives and has the run's lock
                self.queue.wait()

        name = file_name("run", workdir.relative_to(self._workdir))
        return Task(name, (workdir / RESULT).exists, run)


def open_runner(workdir: Path | str, queue: bool) -> Runner:
    """Returns what trains the runs of an experiment's folder, shared with other workers or alone."""
    return QueueRunner(workdir) if queue else Runner()


def with_seed(config: ConfigDict, seed: int) -> ConfigDict:
    """Returns a copy of a config with another `train.seed`."""
    copy = config.copy_and_resolve_references()
    copy.train.seed = seed
    return copy


def seed_runs(config: ConfigDict, seeds: Sequence[int], workdir: Path | str) -> list[tuple[ConfigDict, Path]]:
    """Returns a recipe's config and folder for each seed, see `Runner.run_all`."""
    return [(with_seed(config, seed), seed_folder(workdir, seed)) for seed in seeds]


def seed_folder(workdir: Path | str, seed: int) -> Path:
    """Returns the folder of a seed's run in an experiment's folder."""
    return Path(workdir) / f"seed-{seed}"


def until_stopped(work: Callable[[], None]) -> int:
    """Does the work of a command and returns its exit code: 128 + signal if a signal stopped a run."""
    try:
        work()
    except Stopped as stopped:
        logger.warning("%s, which is saved; the same command goes on from there", stopped)
        return 128 + stopped.signal
    return 0


def check_files(numbers: Path) -> None:
    """Raises UserError, before anything is trained, if VERB.json or VERB.md beside it cannot be written."""
    outputs.check(numbers.stem, numbers, numbers.with_suffix(".md"))


def write_report(path: Path, report: Mapping[str, Any]) -> None:
    """Writes an experiment's numbers to VERB.json."""
    outputs.write(path.stem, path, to_json(report))


def write_text(path: Path, text: str) -> str:
    """Writes an experiment's table to VERB.md, and returns it with the names of that and the JSON file."""
    outputs.check(path.stem, path)
    with outputs.describing_errors(path):  # what is printed, so without a mark: the JSON beside it is known
        write_atomic(path, f"{text}\n".encode())
    return f"\n{text}\n\nwritten to {path} and {path.with_suffix('.json')}"
