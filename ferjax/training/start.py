"""How a run begins: from its newest checkpoint, from other weights, or at random."""

import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from ferjax.config import is_pretraining
from ferjax.data import relabel
from ferjax.runs import config_check, set_record
from ferjax.runs.checkpoints import Checkpoints
from ferjax.runs.workdir import CONFIG, METRICS, TENSORBOARD
from ferjax.training import contamination, distillation, transfer
from ferjax.training.metric_writers import ConsoleWriter, JsonlWriter, MultiWriter, TensorBoardWriter, Writer
from ferjax.training.progress import Progress
from ferjax.training.setup import Prepared
from ferjax.training.state import TrainState
from ferjax.training.summary import print_summary

logger = logging.getLogger(__name__)


class Begun(NamedTuple):
    """A run that has begun or goes on: the loop uses up its state and updates its progress.

    Attributes:
        state: laid out on the mesh.
        progress: the loop's counters.
        resumed_step: the checkpoint's step, None for a new run.
        initial_weights: what was taken from `init.from`, see `ferjax.training.transfer`; None at random.
        facts: what each checkpoint keeps beside the counters: the data that makes the weights, see
            `ferjax.training.contamination.seen_by`, what the network takes, where labels come from, and
            the method of pre-training, if any.
        overlap: test images among that data, see `ferjax.training.contamination.find`; only in the first
            process, and None without a test split.
    """

    state: TrainState
    progress: Progress
    resumed_step: int | None
    initial_weights: dict[str, Any] | None
    facts: dict[str, Any]
    overlap: dict[str, Any] | None


def begin_run(
    config: ConfigDict,
    workdir: Path,
    ready: Prepared,
    source: transfer.Transfer | None,
    checkpoints: Checkpoints,
) -> Begun:
    """Restores the newest checkpoint or makes the initial state, and prints a summary.

    Args:
        config: of the run.
        workdir: of the run.
        ready: its data and steps.
        source: see `ferjax.training.transfer.read_source`.
        checkpoints: of the workdir.

    Raises:
        UserError: see `ferjax.runs.checkpoints.Checkpoints.restore_newest`, or the data set has changed.
    """
    splits = [split for split in (ready.train, ready.validation, ready.test) if split is not None]
    data_set = set_record.record(splits)

    def check(meta: Mapping[str, Any]) -> None:
        config_check.check_unchanged(meta, config.to_dict(), workdir / CONFIG)
        set_record.check(meta, data_set, config.data.name)
        distillation.check_same(meta, ready.parts.teachers)

    parts, restored = ready.parts, checkpoints.restore_newest(ready.parts.like, check)
    if restored:
        state, progress = restored[0], Progress.restore(restored[1])
    else:
        state, progress = parts.init(np.uint32(config.train.seed)), Progress.start(config)
    print_summary(config, workdir, ready, state, resumed=restored is not None)
    if source:
        state, taken = transfer.begin(config, workdir, parts, state, source)
    else:
        taken = transfer.recorded(config, workdir)
    earlier = list(taken["trained_on"]) if taken else []
    earlier += [data for teacher in ready.parts.teachers for data in teacher.trained_on]
    trained_on = contamination.seen_by(config, (ready.train, ready.validation), earlier)
    overlap = _overlap(config, ready, trained_on)
    facts = {
        "trained_on": trained_on,
        "label_names": list(ready.train.label_names),
        "image_size": config.data.image_size,
        "grey": ready.train.grey,
        "set": data_set,
        "config": config_check.fixed_fields(config.to_dict()),
    }
    if is_pretraining(config):
        facts["pretraining"] = config.pretrain.method
    if ready.parts.groups:
        facts["groups"] = list(ready.parts.groups)
    if ready.parts.teachers:
        facts["teachers"] = distillation.facts(ready.parts.teachers)
    if config.data.relabel:
        facts["relabel"] = relabel.provenance(config.data.relabel, splits)
    return Begun(state, progress, int(state.step) if restored else None, taken, facts, overlap)


def _overlap(
    config: ConfigDict, ready: Prepared, trained_on: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """Looks for test images in the data that makes the weights, and warns; only the first process does."""
    if jax.process_index() != 0 or ready.test is None:
        return None
    overlap = contamination.find(ready.test, trained_on)
    for warning in contamination.warnings(overlap, f"{config.data.name} test", config.data):
        logger.warning(warning)
    return overlap


Trackers = Callable[[Path, ConfigDict], Sequence[Writer]]


def no_trackers(workdir: Path, config: ConfigDict) -> Sequence[Writer]:
    """Opens no writer beside those of a run's folder."""
    return ()


def open_writers(
    config: ConfigDict, workdir: Path, total_steps: int, resume_step: int | None, trackers: Trackers
) -> Writer:
    """Opens the writers of a run's folder, and others; only the first process has any.

    Args:
        config: of the run.
        workdir: the run's folder.
        total_steps: see `ConsoleWriter`.
        resume_step: see `JsonlWriter` and `TensorBoardWriter`.
        trackers: opens the others, last: they may rely on the folder's.
    """
    if jax.process_index() != 0:
        return MultiWriter([])
    with contextlib.ExitStack() as opened:
        writers: list[Writer] = [ConsoleWriter(total_steps)]
        for writer in (
            JsonlWriter(workdir / METRICS, resume_step),
            TensorBoardWriter(workdir / TENSORBOARD, resume_step),
        ):
            opened.callback(writer.close)
            writers.append(writer)
        writers += trackers(workdir, config)
        opened.pop_all()  # nothing went wrong: the loop closes them
    return MultiWriter(writers)
