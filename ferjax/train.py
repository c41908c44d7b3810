"""One training loop, from the config to the tested result."""

import contextlib
import dataclasses
import math
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jax
import numpy as np
from clu import parameter_overview
from jax.sharding import Mesh
from ml_collections import ConfigDict

from ferjax.checkpoints import Checkpoints
from ferjax.config import validate
from ferjax.data.pipeline import train_batches
from ferjax.data.sources import Source
from ferjax.distributed import any_process, check_batch, global_batch, make_mesh
from ferjax.errors import UserError
from ferjax.evaluate import evaluate, scores
from ferjax.interrupts import Interrupts
from ferjax.json_files import write_json_atomic
from ferjax.machine import describe_devices, peak_memory
from ferjax.meter import Meter
from ferjax.progress import Progress
from ferjax.result import build_result, library_versions, read_result
from ferjax.setup import Parts, assemble, build_model, load_split
from ferjax.state import TrainState
from ferjax.workdir import METRICS, RESULT, TENSORBOARD, claim
from ferjax.writers import ConsoleWriter, JsonlWriter, MultiWriter, TensorBoardWriter, Writer


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


def train_and_evaluate(config: ConfigDict, workdir: str | Path) -> dict[str, Any]:
    """Trains, resumes where there is a checkpoint, chooses on validation and tests once.

    Args:
        config: see `ferjax.config.defaults`.
        workdir: the run's folder; the same config in the same folder goes on, or is already finished.

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
        train, validation = load_split(config, "train"), load_split(config, "validation")
        load_split(config, "test", cache="stream")  # a set without one fails now, not after training
        parts = assemble(config, train, mesh)
        checkpoints = Checkpoints(workdir, config.model.name, config.checkpoint.keep)
        with contextlib.closing(checkpoints):
            return _run(config, workdir, mesh, parts, checkpoints, train, validation)


def _run(
    config: ConfigDict,
    workdir: Path,
    mesh: Mesh,
    parts: Parts,
    checkpoints: Checkpoints,
    train: Source,
    validation: Source,
) -> dict[str, Any]:
    restored = checkpoints.restore_newest(parts.like)
    if restored:
        state, progress = restored[0], Progress.restore(restored[1])
    else:
        state, progress = parts.init(), Progress.start(config)
    start = int(state.step)
    _announce(config, workdir, mesh, parts, state, train, validation, resumed=restored is not None)

    with contextlib.closing(_writer(workdir, parts.plan.total, start if restored else None)) as writer:
        state = _train(config, mesh, parts, checkpoints, train, validation, state, progress, start, writer)
        checkpoints.wait()
        if progress.best_step != int(state.step):
            del state  # frees the last weights before the best ones are read
            state, _ = checkpoints.restore(progress.best_step, parts.like)
        test = load_split(config, "test")
        loss, confusion = evaluate(parts.eval_step, state.variables, test, config.eval.batch_size, mesh)
        writer.write(progress.best_step, "test", scores(loss, confusion))
    result = _result(config, parts, progress, checkpoints, loss, confusion, train, validation, test)
    if jax.process_index() == 0:
        write_json_atomic(workdir / RESULT, result)
    return result


def _train(
    config: ConfigDict,
    mesh: Mesh,
    parts: Parts,
    checkpoints: Checkpoints,
    train: Source,
    validation: Source,
    state: TrainState,
    progress: Progress,
    start: int,
    writer: Writer,
) -> TrainState:
    """The loop; `progress` is updated in place."""
    total, every = parts.plan.total, config.checkpoint.every_steps
    meter = Meter(progress)
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
        step, ended = start, start >= total or progress.out_of_patience(config)
        while not ended:
            asked = time.perf_counter()
            batch = global_batch(next(batches), mesh)
            meter.waited(time.perf_counter() - asked)
            with jax.transfer_guard("disallow"):
                state, sums = parts.train_step(state, batch)
            step += 1
            meter.add(step, sums)

            evaluating = parts.plan.evaluates(step)
            logging = evaluating or step % config.train.log_every == 0 or step == start + 1
            # Every process must stop at the same step. Asking the others waits, so it is done when logging.
            stopping = interrupts.signal is not None
            if jax.process_count() > 1:
                stopping = logging and any_process(stopping)
            saving = evaluating or stopping or (every > 0 and step % every == 0)
            if logging or saving:
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
                progress.judge(step, values)
                if config.schedule.name == "plateau":
                    scale = np.float32(progress.plateau.scale)
                    state = state.replace(lr_scale=jax.device_put(scale, parts.like.lr_scale.sharding))
            if saving:
                progress.seconds = seconds_before + time.perf_counter() - began
                checkpoints.save(state, step, dataclasses.asdict(progress))
                meter.start()
            ended = step == total or progress.out_of_patience(config)
            if stopping and not ended:
                checkpoints.wait()
                raise Stopped(interrupts.signal or 0, step)
    return state


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


def _announce(
    config: ConfigDict,
    workdir: Path,
    mesh: Mesh,
    parts: Parts,
    state: TrainState,
    train: Source,
    validation: Source,
    resumed: bool,
) -> None:
    if jax.process_index() != 0:
        return
    print(parameter_overview.get_parameter_overview(state.params, include_stats=False))
    devices, lengths = describe_devices(), parts.plan
    print(
        f"{config.model.name} on {config.data.name}: {len(train):,} training and {len(validation):,} "
        f"validation images, {len(train.label_names)} classes\n"
        f"{devices['count']} × {devices['kind']}, mesh {dict(mesh.shape)}, {config.train.precision}, "
        f"batch {config.train.batch_size}, {lengths.total:,} steps, {lengths.per_epoch:,.1f} an epoch\n"
        f"workdir {workdir}" + (f", going on from step {int(state.step):,}" if resumed else ""),
        flush=True,
    )


def _result(
    config: ConfigDict,
    parts: Parts,
    progress: Progress,
    checkpoints: Checkpoints,
    loss: float,
    confusion: np.ndarray,
    *splits: Source,
) -> dict[str, Any]:
    steps = checkpoints.steps()[-1]
    return build_result(
        model=config.model.name,
        dataset=config.data.name,
        label_names=splits[0].label_names,
        best_step=progress.best_step,
        steps=steps,
        epochs=steps / parts.plan.per_epoch,
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
        split_digests={source.split: source.digest() for source in splits},
        seed=config.train.seed,
    )
