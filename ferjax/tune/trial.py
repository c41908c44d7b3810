"""Trains a trial: on the training split, judged on validation; the test split is never opened."""

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jax.sharding import Mesh
from ml_collections import ConfigDict

from ferjax.config import validate
from ferjax.errors import UserError
from ferjax.experiments.queue import TRIALS
from ferjax.experiments.runs import seed_folder, with_seed
from ferjax.files import read_json, write_json_atomic
from ferjax.runs.metrics import read_metrics
from ferjax.runs.workdir import METRICS, TENSORBOARD, check_config
from ferjax.training.device_source import DeviceSource
from ferjax.training.loop import train_and_validate
from ferjax.training.prepared import load_decoded
from ferjax.training.progress import Progress
from ferjax.training.setup import Parts, Prepared, assemble, open_mesh, with_rate
from ferjax.training.splits import indexed, load_split
from ferjax.training.teachers import open_teachers
from ferjax.training.throughput import Diverged
from ferjax.tune.search import Ended, Proposal
from ferjax.tune.space import Space, with_values

RATE = "schedule.learning_rate"
_OUTCOME = "validation.json"
# With these an update is the learning rate times what does not depend on it.
_LINEAR_OPTIMIZERS = ("sgd", "adamw", "lars", "lamb")
_LINEAR_SCHEDULES = ("constant", "plateau", "cosine", "step", "onecycle")


class TrialRunner:
    """Trains trials one after the other in this process; those that compile to the same program share it.

    The value of a trial is its best validation accuracy, the mean over the inner folds and the seeds. It can
    be pruned while the first seed of the first fold is trained.
    """

    def __init__(self, config: ConfigDict, space: Space, workdir: Path, seeds: int, folds: int = 0) -> None:
        """Opens nothing yet.

        Args:
            config: the recipe; trials use the seeds `train.seed`, `train.seed` + 1, …
            space: what is searched.
            workdir: gets a folder `trials/N` for each trial.
            seeds: of each trial.
            folds: inner folds of each trial; 0: validation is the recipe's own.
        """
        self._config, self._workdir = config, workdir
        self._seeds = range(config.train.seed, config.train.seed + seeds)
        self._folds = inner_folds(folds)
        shares_rate = any(dimension.field == RATE for dimension in space)
        self._prepare = SharedParts(shares_rate, self._folds[0])

    def __call__(self, proposal: Proposal) -> tuple[float, float]:
        """Trains a proposal, or goes on with it; returns its value and the seconds of training.

        Raises:
            Ended: it was pruned, has diverged, or its values do not go together.
            UserError: bad input of all trials.
            Stopped: a signal came; the state is saved.
        """
        config = with_values(self._config, proposal.values)
        config.eval.also_best_on_test = False
        try:
            validate(config)
            open_mesh(config)
        except UserError as error:
            raise Ended(f"impossible: {error}", 0.0) from error
        folder = self._workdir / TRIALS / str(proposal.number)
        outcomes = []
        for fold in self._folds:
            divided = with_inner_fold(config, fold) if fold else config
            inside = folder / f"fold-{fold.replace('/', '-of-')}" if fold else folder
            for seed in self._seeds:
                judge = Judge(proposal, seed_folder(inside, seed), prunes=not outcomes)
                outcomes.append(self._trained(with_seed(divided, seed), judge))
        value = sum(outcome["accuracy"] for outcome in outcomes) / len(outcomes)
        return value, sum(outcome["seconds"] for outcome in outcomes)

    def _trained(self, config: ConfigDict, judge: "Judge") -> Mapping[str, Any]:
        """Trains one seed of a trial, and removes its checkpoints."""
        stored = judge.workdir / _OUTCOME
        if stored.exists():
            check_config(judge.workdir, config)  # a study of another search may have left it
        else:
            try:
                progress = train_and_validate(config, judge.workdir, self._prepare, judge)
            except Diverged:
                _remove_state(judge.workdir)
                raise Ended("diverged", judge.seconds()) from None
            except Ended:
                _remove_state(judge.workdir)
                raise
            write_json_atomic(stored, _outcome(progress))
        _remove_state(judge.workdir)
        outcome = read_json(stored)
        whole = isinstance(outcome, dict) and all(
            isinstance(outcome.get(key), float) for key in ("accuracy", "seconds")
        )
        if not whole:
            raise UserError(f"{stored} is damaged; remove its folder, and that trial is trained again")
        return outcome


def inner_folds(count: int) -> tuple[str, ...]:
    """Names the inner folds of a trial; one without a name if there are none."""
    return tuple(f"{number}/{count}" for number in range(1, count + 1)) or ("",)


def with_inner_fold(config: ConfigDict, fold: str) -> ConfigDict:
    """Returns a copy of a config that is trained and judged on an inner fold."""
    copy = config.copy_and_resolve_references()
    copy.data.inner_fold = fold
    if copy.data.cache == "device":  # its steps would hold the data of one fold
        copy.data.cache = "memory"
    return copy


def _outcome(progress: Progress) -> dict[str, Any]:
    return {**progress.best, "step": progress.best_step, "seconds": progress.seconds}


def _remove_state(workdir: Path) -> None:
    """Removes what a finished trial does not need: a search has hundreds of them."""
    for name in ("checkpoints", TENSORBOARD):
        shutil.rmtree(workdir / name, ignore_errors=True)


class Judge:
    """A writer of metrics that tells the search of every validation of a trial.

    Attributes:
        workdir: of the run.
    """

    def __init__(self, proposal: Proposal, workdir: Path, prunes: bool) -> None:
        """Starts the clock.

        Args:
            proposal: what is trained.
            workdir: of the run; its `metrics.jsonl` is written before this is told of a row.
            prunes: whether the search is told at all.
        """
        self.workdir, self._proposal, self._prunes = workdir, proposal, prunes
        self._began = time.monotonic()

    def seconds(self) -> float:
        """Returns the time since this start of the run."""
        return time.monotonic() - self._began

    def write(self, step: int, split: str, values: Mapping[str, float]) -> None:
        """Tells the best accuracy so far after each validation; `Ended` if the trial is to be pruned."""
        del values
        if self._prunes and split == "validation":
            rows = [row for row in read_metrics(self.workdir / METRICS) if row["split"] == split]
            accuracies = [row["accuracy"] for row in rows if row["step"] <= step]
            self._proposal.report(len(accuracies), max(accuracies), self.seconds())

    def close(self) -> None:
        """Has nothing to write."""


class SharedParts:
    """Opens what trials need: data once for all of the same data, steps once for all that compile alike.

    Where learning rates are searched, the compiled steps are those of the rate 1, and are told the rate: the
    numbers are those of a run of its own up to rounding. The inner folds of a trial share the lengths and the
    compiled steps of the first one, unless those know single examples. There is no test split.

    Attributes:
        assembled: how often steps were built.
    """

    def __init__(self, shares_rate: bool, first_fold: str = "") -> None:
        """Opens nothing yet.

        Args:
            shares_rate: whether trials differ in `schedule.learning_rate`.
            first_fold: the first inner fold of each trial; empty if there are none.
        """
        self.assembled = 0
        self._shares_rate, self._first_fold = shares_rate, first_fold
        self._data: tuple[Any, Any, Mesh] | None = None
        self._data_fields: Any = None
        self._parts: Parts | None = None
        self._alike: ConfigDict | None = None

    def __call__(self, config: ConfigDict, mesh: Mesh) -> Prepared:
        """Opens the data and builds the steps of a trial, see `ferjax.training.prepared.prepare`."""
        rate, alike = self._alike_config(config)
        if self._alike != alike:
            self._parts = None  # frees what it holds before other data is loaded
        fields = config.data.to_dict(), config.affect.head
        if self._data is None or self._data_fields != fields:
            self._data = None
            train, validation = load_decoded(config)
            if config.data.cache == "device":
                train = DeviceSource(train, mesh)
            self._data, self._data_fields = (train, validation, mesh), fields
        train, validation, mesh = self._data
        if self._parts is None:
            teachers = open_teachers(config, train.label_names, mesh)
            # A search that goes on in a later fold has the lengths of the first, too.
            first = alike.data.inner_fold == config.data.inner_fold
            lengths = train if first else load_split(alike, "train", cache="stream")
            self._parts = assemble(alike, lengths, mesh, teachers=teachers, rate_factor=rate)
            self._alike = alike
            self.assembled += 1
        parts = self._parts if rate is None else with_rate(self._parts, rate)
        return Prepared(mesh, parts, train, validation, test=None)

    def _alike_config(self, config: ConfigDict) -> tuple[float | None, ConfigDict]:
        """Returns the rate that compiled steps are told, if any, and the config they are compiled for."""
        alike = with_seed(config, 0)
        if self._first_fold and not indexed(config):
            alike.data.inner_fold = self._first_fold
        linear = config.optimizer.name in _LINEAR_OPTIMIZERS and config.schedule.name in _LINEAR_SCHEDULES
        if not self._shares_rate or not linear or config.stages:
            return None, alike
        alike.schedule.learning_rate = 1.0
        return config.schedule.learning_rate, alike
