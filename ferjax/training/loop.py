"""One training loop, from the config to the tested result."""

import contextlib
import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from ml_collections import ConfigDict

from ferjax.cluster import watchdog
from ferjax.config import is_pretraining, validate
from ferjax.data.sources import Source
from ferjax.errors import UserError
from ferjax.files import user_path
from ferjax.runs import pretraining_result
from ferjax.runs.checkpoints import Checkpoints
from ferjax.runs.result import read_result
from ferjax.runs.workdir import RESULT, claim
from ferjax.storage import mirrors
from ferjax.training import transfer
from ferjax.training.cadence import Cadence
from ferjax.training.calls import StepCalls
from ferjax.training.evaluate import all_scores, evaluate_rows
from ferjax.training.finish import finish, finish_pretraining
from ferjax.training.metric_writers import MultiWriter, Writer
from ferjax.training.prepared import prepare
from ferjax.training.progress import Progress
from ferjax.training.setup import Prepared, open_mesh
from ferjax.training.signals import Interrupts
from ferjax.training.splits import train_rows
from ferjax.training.start import Begun, Trackers, begin_run, no_trackers, open_writers
from ferjax.training.state import TrainState
from ferjax.training.throughput import Diverged, Meter
from ferjax.training.without_labels import evaluate_loss


class Stopped(Exception):
    """A signal asked the run to stop; its state is saved.

    Attributes:
        signal: the signal's number.
        step: the step that the next start goes on from.
    """

    def __init__(self, signal: int, step: int) -> None:
        super().__init__(f"stopped at step {step}")
        self.signal = signal
        self.step = step


def train_and_evaluate(
    config: ConfigDict,
    workdir: str | Path,
    prepared: Callable[[ConfigDict, Mesh], Prepared] = prepare,
    trackers: Trackers = no_trackers,
) -> dict[str, Any]:
    """Trains, resumes where there is a checkpoint, chooses on validation and tests once.

    Args:
        config: see `ferjax.config.defaults`.
        workdir: the run's folder; the same config in the same folder goes on, or is already finished.
        prepared: opens the data and builds the steps; called unless the run is finished. Runs that differ in
            `train.seed` alone may share what it returns.
        trackers: opens more writers of metrics, see `ferjax.tracking.trackers.open_writers`; called in the
            first process.

    Returns:
        The content of `result.json`.

    Raises:
        UserError: bad input, told in one line.
        Stopped: SIGTERM or ^C came; the state is saved.
    """
    validate(config)
    workdir, mesh = user_path(workdir), open_mesh(config)
    if mirrors.of(workdir) and jax.process_count() > 1:
        raise UserError(
            f"{mirrors.shown(str(workdir))}: a run of several processes needs a --workdir that all of them "
            "see as a folder; mount the bucket (gcsfuse, mountpoint-s3), and name the folder"
        )
    with claim(workdir, config, writes=jax.process_index() == 0), contextlib.ExitStack() as stack:
        if (workdir / RESULT).exists():
            print(f"{workdir} is already finished; its result:")
            read = pretraining_result.read if is_pretraining(config) else read_result
            return read(workdir / RESULT)
        ready = prepared(config, mesh)
        begun, checkpoints, writer = _begin(config, workdir, ready, stack, trackers)
        state = train(config, ready, begun, checkpoints, writer)
        end = finish_pretraining if is_pretraining(config) else finish
        return end(config, workdir, ready, begun, state, checkpoints, writer)


def train_and_validate(
    config: ConfigDict,
    workdir: str | Path,
    prepared: Callable[[ConfigDict, Mesh], Prepared],
    judge: Writer,
) -> Progress:
    """Trains, resumes where there is a checkpoint, and chooses on validation; there is no test.

    Args:
        config: see `ferjax.config.defaults`.
        workdir: the run's folder; the same config in the same folder goes on.
        prepared: opens the data, without a test split, and builds the steps.
        judge: is told every row that is written; what it raises ends the run.

    Returns:
        The loop's counters at the end.

    Raises:
        UserError: bad input, told in one line.
        Diverged: the loss is not finite.
        Stopped: SIGTERM or ^C came; the state is saved.
    """
    validate(config)
    workdir, mesh = user_path(workdir), open_mesh(config)
    with claim(workdir, config, writes=jax.process_index() == 0), contextlib.ExitStack() as stack:
        ready = prepared(config, mesh)
        if ready.test is not None or config.eval.also_best_on_test:
            raise ValueError("a run that shall not be tested was given the test split")
        begun, checkpoints, writer = _begin(config, workdir, ready, stack, no_trackers)
        train(config, ready, begun, checkpoints, MultiWriter([writer, judge]))
        return begun.progress


def _begin(
    config: ConfigDict, workdir: Path, ready: Prepared, stack: contextlib.ExitStack, trackers: Trackers
) -> tuple[Begun, Checkpoints, Writer]:
    """Begins a run or goes on; its checkpoints and writers are closed with the stack."""
    source = transfer.read_source(config, workdir, ready.parts, ready.train.label_names)
    checkpoints = Checkpoints(workdir, config.model.name, config.checkpoint.keep)
    stack.enter_context(contextlib.closing(checkpoints))
    begun = begin_run(config, workdir, ready, source, checkpoints)
    writer = open_writers(config, workdir, ready.parts.plan.total, begun.resumed_step, trackers)
    stack.enter_context(contextlib.closing(writer))
    return begun, checkpoints, writer


def train(
    config: ConfigDict, ready: Prepared, begun: Begun, checkpoints: Checkpoints, writer: Writer
) -> TrainState:
    """Takes steps until the run ends; what is due after a step, `Cadence` knows.

    Args:
        config: of the run.
        ready: its data and steps.
        begun: where it begins; its progress is updated in place, its state is donated.
        checkpoints: where states go.
        writer: where metrics go.

    Returns:
        The last state; every checkpoint is written.
    """
    state, progress, plan = begun.state, begun.progress, ready.parts.plan
    step = int(state.step)
    cadence = Cadence.create(config, plan, start=step)
    calls, meter = StepCalls(ready, config.train.steps_per_call), Meter(progress)
    rows = train_rows(config, ready.train, start_step=step)
    with contextlib.closing(rows), Interrupts() as interrupts:
        while not cadence.ended(step, progress):
            stage, count = plan.stage(step), cadence.steps_of_next_call(step)
            if plan.begins_stage(step):
                state = ready.parts.restart(state)
                progress.start_stage(config)
            with meter.waiting():
                batch = calls.batch([next(rows) for _ in range(count)])
            if calls.compiles(stage, count):
                meter.skip_speed()
            state, sums = calls.take(state, batch, stage, count)
            step += count
            meter.add(step, sums, count)
            watchdog.progressed(step)

            stopping = interrupts.asked_within(step - count + 1, step)
            if cadence.logs(step) or stopping:
                writer.write(step, "train", meter.report())
            if cadence.evaluates(step):
                state = _validate(config, ready, begun, state, step, writer)
            if cadence.saves(step) or stopping:
                meter.count_time()
                checkpoints.save(state, step, {**dataclasses.asdict(progress), **begun.facts})
                meter.start()
            if stopping and not cadence.ended(step, progress):
                checkpoints.wait()
                raise Stopped(interrupts.signal or 0, step)
    checkpoints.wait()
    return state


def _scores(config: ConfigDict, ready: Prepared, state: TrainState, split: Source) -> dict[str, float]:
    """Scores a split: by its classes, or in pre-training by the loss alone."""
    batch, step = config.eval.batch_size, ready.parts.eval_step
    if is_pretraining(config):
        return {"loss": evaluate_loss(config, step, state.variables, split, ready.mesh)}
    return all_scores(evaluate_rows(step, state.variables, split, batch, ready.mesh), split)


def _validate(
    config: ConfigDict, ready: Prepared, begun: Begun, state: TrainState, step: int, writer: Writer
) -> TrainState:
    """Scores the validation split and updates the progress; the state takes the plateau's factor."""
    parts, progress = ready.parts, begun.progress
    values = _scores(config, ready, state, ready.validation)
    if not math.isfinite(values["loss"]):
        raise Diverged(
            f"the validation loss is {values['loss']} at step {step}: the run has diverged; lower "
            "schedule.learning_rate or set optimizer.clip_norm, in a new --workdir"
        )
    writer.write(step, "validation", values)
    # A classifier that is not trained chooses nothing, unless there is nothing else.
    trained = parts.rules[parts.plan.stage(step - 1)].cross_entropy
    if trained or (step == parts.plan.total and progress.best_step < 0):
        progress.judge(step, values)
    if config.eval.also_best_on_test and ready.test is not None:
        values = _scores(config, ready, state, ready.test)
        writer.write(step, "test_each_validation", values)
        progress.keep_best_on_test(step, values)
    if config.schedule.name != "plateau":
        return state
    scale = np.float32(progress.plateau.scale)
    return state.replace(lr_scale=jax.device_put(scale, parts.like.lr_scale.sharding))
