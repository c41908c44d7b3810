"""Trains the folds of a set with one recipe, or takes runs that did, and collects what they predict."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jax.sharding import Mesh
from ml_collections import ConfigDict

from ferjax.config import needs_classes, validate
from ferjax.data import relabel_file
from ferjax.data.folds import KFold, of_split, parse
from ferjax.data.split_choice import Division, choose
from ferjax.errors import UserError, listed
from ferjax.files import user_path, write_atomic
from ferjax.inference.trained import IMPORTED
from ferjax.labels.whole_set import WholeSet
from ferjax.runs import predictions
from ferjax.runs.config_check import differences, fixed_fields
from ferjax.runs.result import read_result
from ferjax.runs.stored_config import stored_config
from ferjax.runs.workdir import RESULT
from ferjax.scores.calibration import with_temperature
from ferjax.training.loop import train_and_evaluate
from ferjax.training.prepared import prepare
from ferjax.training.setup import Parts, Prepared, assemble
from ferjax.training.splits import indexed, load_split
from ferjax.training.teachers import open_teachers

logger = logging.getLogger(__name__)

# What runs of one recipe may differ in.
_OWN = ("data.fold", "data.drop_leaks", "data.drop_validation_leaks", "train.seed")


class FoldRun(NamedTuple):
    """A finished run that tests on a fold.

    Attributes:
        workdir: its folder.
        config: its config.
        examples: int64 [n], what it tests on, places in the whole set.
        probabilities: float32 [n, K], of its best weights, calibrated on its own validation images.
        overlap: of its result, see `ferjax.training.contamination.find`; None in runs of earlier versions.
    """

    workdir: Path
    config: ConfigDict
    examples: np.ndarray
    probabilities: np.ndarray
    overlap: Mapping[str, Any] | None


def finished(workdir: Path | str) -> tuple[Path, ConfigDict]:
    """Reads the config of a finished run.

    Raises:
        UserError: it is no run, is not finished, or was imported and not trained.
    """
    folder = user_path(workdir)
    _, config = stored_config(folder)
    if config.data.name == IMPORTED:
        raise UserError(
            f"{folder} was imported: it has no recipe to train folds with; name a set and --config"
        )
    if not (folder / RESULT).exists():
        raise UserError(f"the run in {folder} is not finished; start its command again, then this one")
    return folder, config


def of_one_recipe(runs: Mapping[Path, ConfigDict]) -> None:
    """Raises UserError if runs differ in more than their folds and seeds."""
    (first, recipe), *others = ((path, _recipe_fields(config)) for path, config in runs.items())
    for path, fields in others:
        if differing := differences(recipe, fields):
            raise UserError(f"{first} and {path} are runs of two recipes ({differing}): name runs of one")


def _recipe_fields(config: ConfigDict) -> dict[str, Any]:
    return {key: value for key, value in fixed_fields(config.to_dict()).items() if key not in _OWN}


class Folds(NamedTuple):
    """Which folds there are to be.

    Attributes:
        total: how many; 0 where runs hold people out, not folds by number.
        split: the stored split that they divide alone; all if empty.
        done: fold → the run that has tested it.
    """

    total: int
    split: str
    done: dict[str, Path]


def needed(runs: Mapping[Path, ConfigDict], count: int | None, split: str = "") -> Folds:
    """Finds out which folds there are to be, and which of them runs have tested already.

    Args:
        runs: those that the user named.
        count: of folds, as the user asked; None: as the runs have, or five.
        split: the stored split that is divided, as the user asked; empty: as the runs have, or all.

    Raises:
        UserError: runs of folds that do not belong together.
    """
    done = {config.data.fold: path for path, config in runs.items() if config.data.fold}
    if not done:
        if len(runs) > 1:
            raise UserError(
                "several runs must be those of the folds of one set (config.data.fold), and these "
                "divide none: name one of them, whose recipe is then trained on folds"
            )
        return Folds(count or 5, split, {})
    if len(done) < len(runs):
        raise UserError("two of these runs test on the same fold, or one on none: name one of each fold")
    kinds = [parse(fold) for fold in done]
    divisions = {(kind.count, kind.split) if isinstance(kind, KFold) else (0, "") for kind in kinds}
    own_count, own_split = next(iter(divisions))
    if len(divisions) > 1 or (count and count != own_count) or (split and split != own_split):
        raise UserError(
            f"the runs test on the folds {listed(done)}, which belong to no one division"
            + (f" of {split}" if split else "")
            + (f" into {count}" if count else "")
        )
    return Folds(own_count, own_split, done)


def recipe_for(config: ConfigDict, fold: str) -> ConfigDict:
    """Returns a copy of a recipe that tests on a fold and sees no copy of what it tests on."""
    copy = config.copy_and_resolve_references()
    # The noise is in the file of labels then, of which a fold's test part has its share.
    copy.data.update(fold=fold, drop_leaks=True, drop_validation_leaks=True, label_noise=0.0)
    if copy.data.cache == "device":  # its steps would hold the data of one fold
        copy.data.cache = "memory"
    return copy


def write_planted(whole: WholeSet, path: Path) -> None:
    """Writes every given label that differs from the stored one as a relabel file."""
    stored, names = whole.records.index.labels, whole.label_names
    rows = [
        (whole.keys[place], names[int(stored[place])], "", "", names[int(whole.labels[place])])
        for place in np.flatnonzero(whole.labels != stored).tolist()
    ]
    content = relabel_file.content(whole.key, rows)
    if not path.exists() or path.read_bytes() != content:
        write_atomic(path, content)


class FoldRunner:
    """Trains folds one after the other; all share the lengths and the compiled steps of the first.

    An epoch of every fold is as long as that of the first, which may hold a few examples more or fewer.

    Args:
        first: the config of the first fold, whether it is trained now or not.
    """

    def __init__(self, first: ConfigDict) -> None:
        self._first = first
        self._kept: tuple[Parts, Mesh] | None = None

    def run(self, config: ConfigDict, workdir: Path) -> None:
        """Trains a fold, unless it is finished.

        Raises:
            UserError: bad input.
            Stopped: a signal came; the state is saved.
        """
        train_and_evaluate(config, workdir, self._prepare)

    def _prepare(self, config: ConfigDict, mesh: Mesh) -> Prepared:
        if indexed(config):  # its state or its steps have a row for each training example
            return prepare(config, mesh)
        if self._kept is None:
            train = load_split(self._first, "train", cache="stream")
            teachers = open_teachers(self._first, train.label_names, mesh)
            self._kept = assemble(self._first, train, mesh, teachers=teachers), mesh
        parts, mesh = self._kept
        return prepare(config, mesh, parts)


def train(config: ConfigDict, folds: Folds, out: Path) -> dict[str, Path]:
    """Trains the folds that are not tested yet; finished ones in `out` are read.

    Args:
        config: the recipe.
        folds: see `needed`.
        out: gets a folder for each fold.

    Returns:
        Fold → its finished run, in order.

    Raises:
        UserError: bad input.
        Stopped: a signal came; the same call goes on.
    """
    first = recipe_for(config, of_split(folds.split, 1, folds.total))
    validate(first)
    needs_classes(first, "labels")
    runner, runs = FoldRunner(first), {}
    for number in range(1, folds.total + 1):
        fold = of_split(folds.split, number, folds.total)
        runs[fold] = folds.done.get(fold) or out / f"fold-{number}-of-{folds.total}"
        if fold not in folds.done:
            logger.info("fold %s: %s", fold, runs[fold])
            runner.run(recipe_for(config, fold), runs[fold])
    return runs


def read(workdir: Path, whole: WholeSet, data_dir: str) -> FoldRun:
    """Reads what a finished run predicts for its fold.

    Args:
        workdir: its folder.
        whole: the set.
        data_dir: where that is built now.

    Raises:
        UserError: the run is not finished, keeps no predictions, or was tested on another set.
    """
    workdir, config = finished(workdir)
    config.data.dir = data_dir
    name, folder = whole.records.name, whole.records.folder
    path = predictions.place(workdir, config.data.name, "test", "npz")
    stored = predictions.read(path)
    result = read_result(workdir / RESULT)
    same = config.data.name == name and stored.label_names == whole.label_names
    if not same or stored.split_digest != load_split(config, "test", cache="stream").digest():
        raise UserError(
            f"{workdir} was not tested on the {name} that is in {folder}: its images or labels are others"
        )
    if stored.step != result["best_step"]:
        raise UserError(
            f"{path} is not of the weights that {workdir / RESULT} tells of; evaluate the run again"
        )
    data = config.data
    indices = choose(name, folder, "test", Division(data.fold, data.val_fraction)).indices
    assert indices is not None  # as a fold has
    # The thresholds of confident learning are means of probabilities, which an overconfident network lifts.
    temperature = result.get("probabilities", {}).get("temperature") or 1.0
    probabilities = np.exp(with_temperature(stored.log_probabilities, temperature)).astype(np.float32)
    return FoldRun(workdir, config, indices[stored.indices], probabilities, result.get("overlap"))


def check_whole(runs: Mapping[str, FoldRun], whole: WholeSet) -> None:
    """Raises UserError unless every example is tested by exactly one run."""
    times = np.zeros(len(whole.labels), np.int64)
    for run in runs.values():
        times[run.examples] += 1
    if (times > 1).any():
        raise UserError(
            f"{(times > 1).sum():,} examples are in the test part of two of the runs: name one each"
        )
    if (times == 0).any():
        raise UserError(
            f"the runs test {(times > 0).sum():,} of the {len(times):,} examples of {whole.records.name}: "
            "name the runs of all folds, or one run without data.fold, whose recipe is then trained on "
            "folds"
        )
