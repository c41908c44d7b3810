"""Runs of an experiment: a finished one is read, not trained again; those that differ in the seed alone
share data and compiled steps.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jax.sharding import Mesh
from ml_collections import ConfigDict

from ferjax.training.loop import Stopped, train_and_evaluate
from ferjax.training.setup import Prepared, prepare


class Runner:
    """Trains configs one after the other in this process.

    Data, mesh and compiled steps of the last config are kept, so that runs which differ only in `train.seed`
    load and compile once. They are let go when another config comes: order the runs so that seeds are inside.

    Attributes:
        prepared: how often data was loaded and steps were built anew.
        kept: what the last config's runs share; None before the first.
    """

    def __init__(self) -> None:
        self.prepared = 0
        self._config: ConfigDict | None = None
        self.kept: Prepared | None = None

    def run(self, config: ConfigDict, workdir: Path | str) -> dict[str, Any]:
        """The content of `result.json`, of a finished run in the folder or of one that is trained now.

        Args:
            config: what is wanted; fields that change no number may differ from the finished run's.
            workdir: the run's own folder; an unfinished run in it goes on.

        Raises:
            UserError: bad input, a folder of another config, or a corrupt file in it.
            Stopped: SIGTERM or ^C came; the state is saved.
        """
        return train_and_evaluate(config, workdir, self._prepare)

    def run_seed(self, config: ConfigDict, seed: int, workdir: Path | str) -> dict[str, Any]:
        """`run` of a recipe with a seed, in the seed's folder of an experiment's."""
        return self.run(with_seed(config, seed), seed_folder(workdir, seed))

    def _prepare(self, config: ConfigDict, mesh: Mesh) -> Prepared:
        of_any_seed = with_seed(config, 0)
        if self.kept is None or self._config != of_any_seed:
            self.kept = None  # frees its data before other data is loaded
            self.kept = prepare(config, mesh)
            self._config = of_any_seed
            self.prepared += 1
        return self.kept


def with_seed(config: ConfigDict, seed: int) -> ConfigDict:
    """A copy of a config with another `train.seed`."""
    copy = config.copy_and_resolve_references()
    copy.train.seed = seed
    return copy


def seed_folder(workdir: Path | str, seed: int) -> Path:
    """Where the run of a seed lies in an experiment's folder."""
    return Path(workdir) / f"seed-{seed}"


def until_stopped(work: Callable[[], None]) -> int:
    """Does the work of a command; the exit code, 128 + signal if a signal stopped a run in it."""
    try:
        work()
    except Stopped as stopped:
        print(f"{stopped}, which is saved; the same command goes on from there", file=sys.stderr)
        return 128 + stopped.signal
    return 0
