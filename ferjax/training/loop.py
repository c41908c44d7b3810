"""One training loop, from the config to the tested result."""

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from ferjax.cluster import watchdog
from ferjax.cluster.mesh import check_batch, global_batch, global_batches, make_mesh
from ferjax.config import validate
from ferjax.data.pipeline import train_batches
from ferjax.errors import UserError
from ferjax.files import write_json_atomic
from ferjax.platform.allocator import give_back_freed
from ferjax.platform.machine import describe_devices, peak_memory
from ferjax.platform.versions import library_versions
from ferjax.runs import predictions
from ferjax.runs.checkpoints import Checkpoints
from ferjax.runs.predictions import Predictions
from ferjax.runs.result import build_result, probability_scores, read_result
from ferjax.runs.workdir import METRICS, RESULT, TENSORBOARD, claim
from ferjax.training import contamination, transfer
from ferjax.training.device_source import DeviceSource
from ferjax.training.evaluate import evaluate, evaluate_rows, scores
from ferjax.training.metric_writers import ConsoleWriter, JsonlWriter, MultiWriter, TensorBoardWriter, Writer
from ferjax.training.progress import Progress
from ferjax.training.setup import Plan, Prepared, build_model, load_split, prepare
from ferjax.training.signals import Interrupts
from ferjax.training.state import TrainState
from ferjax.training.summary import announce
from ferjax.training.throughput import Meter


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


@dataclasses.dataclass(frozen=True)
class _Run:
    """What stays the same in a run."""

    config: ConfigDict
    workdir: Path
    ready: Prepared
    checkpoints: Checkpoints


def train_and_evaluate(
    config: ConfigDict, workdir: str | Path, prepared: Callable[[ConfigDict], Prepared] = prepare
) -> dict[str, Any]:
    """Trains, resumes where there is a checkpoint, chooses on validation and tests once.

    Args:
        config: see `ferjax.config.defaults`.
        workdir: the run's folder; the same config in the same folder goes on, or is already finished.
        prepared: opens the data and builds the steps; called unless the run is finished. Runs that differ in
            `train.seed` alone may share what it gives.

    Returns:
        The content of `result.json`.

    Raises:
        UserError: bad input, told in one line.
        Stopped: SIGTERM or ^C came; the state is saved.
    """
    validate(config)
    workdir = Path(workdir)
    build_model(config, num_classes=2)  # what cannot be built fails before any data is touched
    mesh = make_mesh(config.mesh)
    check_batch(config.train.batch_size, config.train.accumulate_steps, mesh, "train.batch_size")
    check_batch(config.eval.batch_size, 1, mesh, "eval.batch_size")
    with claim(workdir, config, writes=jax.process_index() == 0):
        if (workdir / RESULT).exists():
            print(f"{workdir} is finished: this is its result")
            return read_result(workdir / RESULT)
        ready = prepared(config)
        start = transfer.plan(config, workdir, ready.parts, ready.train.label_names)
        checkpoints = Checkpoints(workdir, config.model.name, config.checkpoint.keep)
        with contextlib.closing(checkpoints):
            return _run(_Run(config, workdir, ready, checkpoints), start)


def _run(run: _Run, start: transfer.Start | None) -> dict[str, Any]:
    config, workdir, checkpoints = run.config, run.workdir, run.checkpoints
    mesh, parts, train, validation = run.ready
    restored = checkpoints.restore_newest(parts.like)
    if restored:
        state, progress = restored[0], Progress.restore(restored[1])
    else:
        state, progress = parts.init(np.uint32(config.train.seed)), Progress.start(config)
    announce(config, workdir, run.ready, state, resumed=restored is not None)
    if start:
        state, taken = transfer.begin(config, workdir, parts, state, start)
    else:
        taken = transfer.recorded(config, workdir)
    seen = contamination.seen_by(config, (train, validation), taken["trained_on"] if taken else [])
    overlapping = _overlap(config, seen)

    with contextlib.closing(
        _writer(workdir, parts.plan.total, int(state.step) if restored else None)
    ) as writer:
        state = _train(run, state, progress, {"trained_on": seen}, writer)
        checkpoints.wait()
        if progress.best_step != int(state.step):
            del state  # frees the last weights before the best ones are read
            state, _ = checkpoints.restore(progress.best_step, parts.like)
        test = load_split(config, "test")
        said = {}
        for split in (validation, test):
            loss, confusion, rows = evaluate_rows(
                parts.eval_step, state.variables, split, config.eval.batch_size, mesh
            )
            said[split.split] = Predictions.of(split, rows, progress.best_step)
        writer.write(progress.best_step, "test", scores(loss, confusion))
    first = jax.process_index() == 0
    if first:
        for one in said.values():
            predictions.save(workdir, one)
    result = build_result(
        model=config.model.name,
        dataset=config.data.name,
        label_names=train.label_names,
        best_step=progress.best_step,
        steps=checkpoints.steps()[-1],
        epochs=checkpoints.steps()[-1] / parts.plan.per_epoch,
        validation=progress.best,
        test_loss=loss,
        test_confusion=confusion,
        seconds=progress.seconds,
        images_per_second=progress.images / max(progress.training_seconds, 1e-9),
        data_wait_fraction=progress.waited_seconds / max(progress.training_seconds, 1e-9),
        peak_memory_bytes=peak_memory(),
        device=describe_devices(),
        versions=library_versions(),
        date=datetime.now(UTC),
        split_digests={source.split: source.digest() for source in (train, validation, test)},
        seed=config.train.seed,
        # Only the first process keeps the result.
        probabilities=probability_scores(said["test"], said["validation"]) if first else None,
        init=taken,
        overlap=overlapping,
    )
    if first:
        write_json_atomic(workdir / RESULT, result)
    return result


def _overlap(config: ConfigDict, seen: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Looks for test images in what the weights will have seen; only the first process does."""
    if jax.process_index() != 0:
        return None
    found = contamination.find(load_split(config, "test", cache="stream"), seen)
    if told := contamination.warning(found, f"{config.data.name} test"):
        print(told, flush=True)
    return found


def _train(
    run: _Run, state: TrainState, progress: Progress, facts: Mapping[str, Any], writer: Writer
) -> TrainState:
    """The loop; `progress` is updated in place, `facts` go into every checkpoint's meta."""
    config, checkpoints = run.config, run.checkpoints
    mesh, parts, train, validation = run.ready
    plan, every, start = parts.plan, config.checkpoint.every_steps, int(state.step)
    facts = {**facts, "label_names": list(train.label_names), "image_size": config.data.image_size}
    held = {"held": train.held} if isinstance(train, DeviceSource) else {}
    meter, compiled, most = Meter(progress), set(), config.train.steps_per_call
    began, seconds_before = time.perf_counter(), progress.seconds
    batches = train_batches(
        train,
        batch_size=config.train.batch_size,
        seed=config.train.seed,
        start_step=start,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
        workers=config.data.workers,
        balance=config.data.balance,
    )
    with contextlib.closing(batches), Interrupts() as interrupts:
        step, ended = start, _ended(config, plan, progress, start)
        while not ended:
            stage = plan.stage(step)
            if step == plan.starts[stage] and step > 0:
                state = parts.restart(state)
                progress.start_stage(config)
            before, together = step, _together(config, plan, start, step)
            asked = time.perf_counter()
            rows = [next(batches) for _ in range(together)]
            batch = global_batch(rows[0], mesh) if most == 1 else global_batches(rows, mesh, most)
            meter.waited(time.perf_counter() - asked)
            calls = parts.fewer_steps if together < most else parts.several_steps
            call = parts.train_steps[stage] if most == 1 else calls[stage]
            if compiling := call not in compiled:
                compiled.add(call)
                meter.stop()
            with jax.transfer_guard("disallow"):
                state, sums = call(state, {**batch, **held})
            if compiling:
                give_back_freed()
            step += together
            meter.add(step, sums, together)
            watchdog.progressed(step)

            evaluating = plan.evaluates(step)
            stopping = any(interrupts.asked(passed) for passed in range(before + 1, step + 1))
            saving = evaluating or stopping or (every > 0 and step % every == 0)
            if saving or _logs(config, plan, start, step):
                writer.write(step, "train", meter.report())
            if evaluating:
                loss, confusion = evaluate(
                    parts.eval_step, state.variables, validation, config.eval.batch_size, mesh
                )
                if not math.isfinite(loss):
                    raise UserError(
                        f"the validation loss is {loss} at step {step}: the run has diverged; lower "
                        "schedule.learning_rate or set optimizer.clip_norm, in a new --workdir"
                    )
                values = scores(loss, confusion)
                writer.write(step, "validation", values)
                # A classifier that is not trained chooses nothing, unless there is nothing else.
                if parts.rules[stage].cross_entropy or (step == plan.total and progress.best_step < 0):
                    progress.judge(step, values)
                if config.schedule.name == "plateau":
                    scale = np.float32(progress.plateau.scale)
                    state = state.replace(lr_scale=jax.device_put(scale, parts.like.lr_scale.sharding))
            if saving:
                progress.seconds = seconds_before + time.perf_counter() - began
                checkpoints.save(state, step, {**dataclasses.asdict(progress), **facts})
                meter.start()
            ended = _ended(config, plan, progress, step)
            if stopping and not ended:
                checkpoints.wait()
                raise Stopped(interrupts.signal or 0, step)
    return state


def _logs(config: ConfigDict, plan: Plan, start: int, step: int) -> bool:
    """Whether this step is told of; so are the first one of a start and of a stage, to see them begin."""
    first = step - 1 == start or step - 1 in plan.starts
    return first or step % config.train.log_every == 0 or plan.evaluates(step)


def _together(config: ConfigDict, plan: Plan, start: int, step: int) -> int:
    """Steps of the next call: `train.steps_per_call`, or fewer where something is due after one of them."""
    most, every = config.train.steps_per_call, config.checkpoint.every_steps
    for count in range(1, most):
        if _logs(config, plan, start, step + count) or (every > 0 and (step + count) % every == 0):
            return count
    return most


def _ended(config: ConfigDict, plan: Plan, progress: Progress, step: int) -> bool:
    """Whether this was the last step; patience can end the last stage alone."""
    return step >= plan.total or (step > plan.starts[-1] and progress.out_of_patience(config))


def _writer(workdir: Path, total: int, resume_step: int | None) -> Writer:
    """Only the first process writes."""
    if jax.process_index() != 0:
        return MultiWriter([])
    return MultiWriter(
        [
            ConsoleWriter(total),
            JsonlWriter(workdir / METRICS, resume_step),
            TensorBoardWriter(workdir / TENSORBOARD, resume_step),
        ]
    )
