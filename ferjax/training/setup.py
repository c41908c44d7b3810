"""From a config to the parts of a run: data, network, optimizer, shardings and jitted steps."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh
from ml_collections import ConfigDict

from ferjax.cluster.mesh import (
    batch_sharding,
    batches_sharding,
    check_batch,
    make_mesh,
    replicated,
    state_shardings,
)
from ferjax.config import stages_of
from ferjax.data.balance import epochs
from ferjax.data.pipeline import check_workers
from ferjax.data.sources import Source
from ferjax.models import class_maps
from ferjax.platform.compile_options import compiled_to_run_once, compiled_to_train
from ferjax.training import (
    affect,
    group_dro,
    memory,
    optimizers,
    schedules,
    stages,
    state,
    steps,
    without_labels,
)
from ferjax.training.device_source import DeviceSource
from ferjax.training.distillation import Teacher
from ferjax.training.gathered import gathering
from ferjax.training.head import Head, head_of
from ferjax.training.losses import class_weights
from ferjax.training.network import build_model, create_model, image_shape
from ferjax.training.plan import Plan, plan
from ferjax.training.several_steps import make_several_steps
from ferjax.training.splits import indexed
from ferjax.training.state import TrainState


def check_methods(config: ConfigDict, model: nn.Module) -> None:
    """Checks that the network fits the training methods that the config switches on; nothing is computed.

    Raises:
        UserError: a method does not work with it.
    """
    if config.loss.eac:
        class_maps.check_fits(model, image_shape(config), "loss.eac")
    if config.distill["from"] and config.distill.attention:
        class_maps.check_averages(model, image_shape(config), "distill.attention")
    head_of(config, model, image_shape(config), examples=0, per_epoch=1)
    affect.head_of(config, model, image_shape(config))


def open_mesh(config: ConfigDict) -> Mesh:
    """Makes the mesh, and checks all that can be checked before data is opened.

    Raises:
        UserError: the network cannot be built, the devices do not fit the mesh or divide a batch, or
            cannot have the memory for one, or there are too many worker processes.
    """
    with memory.measured_layers() as layers:
        model = build_model(config, num_classes=2)
    check_methods(config, model)
    mesh = make_mesh(config.mesh)
    check_batch(config.train.batch_size, config.train.accumulate_steps, mesh, "train.batch_size")
    check_batch(config.eval.batch_size, 1, mesh, "eval.batch_size")
    memory.check_memory(config, model, layers, mesh)
    check_workers(config.data.workers)
    return mesh


def build_eval_step(
    config: ConfigDict, model: nn.Module, allowed: np.ndarray | None = None
) -> Callable[..., Any]:
    """Builds the evaluation step for images as `ferjax.training.splits.load_split` gives
    them; `allowed` is bool `[K]`."""
    size = config.data.image_size if config.data.source_size or config.eval.crops != "none" else None
    dtype = jnp.dtype(config.train.precision)
    if isinstance(model, without_labels.WithoutClasses):
        return without_labels.make_eval_step(model, config, dtype)
    head = affect.head_of(config, model, image_shape(config))
    return steps.make_eval_step(model, model.num_classes, dtype, size, config.eval.crops, allowed, head)


@dataclasses.dataclass(frozen=True)
class Parts:
    """The network, its optimizer and its steps.

    Attributes:
        plan: the run's lengths.
        init: jitted; from a seed, uint32, to the initial state, laid out on the mesh.
        restart: jitted; the state as a new stage begins, see `ferjax.training.state.restarted`. It is
        donated.
        like: a state of `ShapeDtypeStruct`s with shardings, to restore into.
        rules: of each stage.
        train_steps: of each stage, jitted `(state, batch) -> (state, sums)`; the state is donated.
        several_steps: of each stage, likewise for `train.steps_per_call` batches, see
            `ferjax.training.several_steps.make_several_steps`; `fewer_steps` for as many as they say.
        eval_step: jitted `(variables, batch) -> sums`.
        model: the network.
        shared: what every batch holds beside its rows, on every device: the split of `data.cache=device` as
            `held`, the teachers' variables as `teachers`, the groups of group DRO as `groups`, a factor on
            the learning rate as `rate_factor`.
        teachers: what the steps learn from.
        groups: names of the groups of group DRO; empty without it.
    """

    plan: Plan
    init: Callable[[np.uint32], TrainState]
    restart: Callable[[TrainState], TrainState]
    like: TrainState
    rules: tuple[stages.Rules, ...]
    train_steps: tuple[Callable[..., Any], ...]
    several_steps: tuple[Callable[..., Any], ...]
    fewer_steps: tuple[Callable[..., Any], ...]
    eval_step: Callable[..., Any]
    model: nn.Module
    shared: dict[str, Any]
    teachers: tuple[Teacher, ...]
    groups: tuple[str, ...] = ()


def state_layout(
    config: ConfigDict,
    model: nn.Module,
    tx: optax.GradientTransformation,
    mesh: Mesh,
    head: Head | None = None,
    groups: int = 0,
) -> tuple[Callable[..., TrainState], Any]:
    """Returns the function that makes an initial state from a seed, and its shapes with their shardings."""
    averaging = config.optimizer.ema_decay > 0
    affect_head = affect.head_of(config, model, image_shape(config))
    own = {"ema": averaging, "head": head, "affect_head": affect_head, "groups": groups}
    init = partial(state.create, model, tx, image_shape(config), **own)
    shapes = jax.eval_shape(init, np.uint32(0))
    like = jax.tree.map(
        lambda leaf, where: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=where),
        shapes,
        state_shardings(shapes, mesh),
    )
    return init, like


def assemble(
    config: ConfigDict,
    train: Source,
    mesh: Mesh,
    schedule: optax.Schedule | None = None,
    teachers: Sequence[Teacher] = (),
    rate_factor: float | None = None,
) -> Parts:
    """Builds network, optimizer and steps for a training split on a mesh; nothing is computed yet.

    Args:
        config: the seed is not read.
        train: the training split.
        mesh: the devices.
        schedule: the learning rate of every stage, by its own steps; the group `schedule`'s if None.
        teachers: what `distill.from` names.
        rate_factor: a factor on the learning rate that the compiled steps are told, so that runs with
            different rates can share them, see `with_rate`; they have none if None.
    """
    num_classes = len(train.label_names)
    lengths = plan(config, len(epochs(train, config.data.balance, config.data.groups)))
    model = create_model(config, num_classes)
    weights = class_weights(config.loss.class_weights, train.labels, num_classes, config.loss.effective_beta)
    dtype = jnp.dtype(config.train.precision)

    # The rate is no part of the state: one layout serves all stages.
    tx = optimizers.create(config.optimizer, lambda step: 0.0)
    head = head_of(config, model, image_shape(config), len(train), lengths.per_epoch)
    affect_head = affect.head_of(config, model, image_shape(config))
    groups = group_dro.rule_of(config, train)
    init, like = state_layout(config, model, tx, mesh, head, len(groups.names) if groups else 0)
    shardings = jax.tree.map(lambda leaf: leaf.sharding, like)
    shared: dict[str, Any] = {"held": train.held} if isinstance(train, DeviceSource) else {}
    if teachers:
        shared["teachers"] = [teacher.variables for teacher in teachers]
    if groups:
        shared["groups"] = jax.make_array_from_process_local_data(replicated(mesh), groups.codes)
    if rate_factor is not None:
        shared["rate_factor"] = jax.device_put(np.float32(rate_factor), replicated(mesh))
    once = mesh.shape["fsdp"] > 1 and config.mesh.gather_once
    whole = {"whole_weights": gathering(mesh, None if config.loss.l2 else dtype)} if once else {}
    names = ["image", "label"] + ["index"] * indexed(config) + ["affect"] * bool(affect_head)
    rows = ("index",) if "held" in shared else tuple(names)
    one, several = _batch_layouts(mesh, rows, shared)
    together = config.train.steps_per_call
    rules, train_steps, several_steps, fewer_steps = [], [], [], []
    for stage, start, end in zip(stages_of(config), lengths.starts, lengths.ends, strict=False):
        rate = schedule or _schedule(config, stage, lengths.per_epoch, end - start)
        rule = stages.rules(config, stage, model, image_shape(config))
        step = steps.make_train_step(
            model,
            optimizers.create(config.optimizer, rate),
            _after(rate, start),
            config,
            weights,
            dtype,
            rule,
            teachers,
            head,
            affect_head,
            groups,
            **whole,
        )
        rules.append(rule)
        jitted = partial(
            jax.jit,
            out_shardings=(shardings, replicated(mesh)),
            donate_argnums=0,
            compiler_options=compiled_to_train(mesh),
        )
        train_steps.append(jitted(step, in_shardings=(shardings, one)))
        for calls, length in ((several_steps, together), (fewer_steps, None)):
            calls.append(jitted(make_several_steps(step, length), in_shardings=(shardings, several)))
    return Parts(
        plan=lengths,
        init=jax.jit(init, out_shardings=shardings, compiler_options=compiled_to_run_once(mesh)),
        restart=jax.jit(partial(state.restarted, tx=tx), out_shardings=shardings, donate_argnums=0),
        like=like,
        rules=tuple(rules),
        train_steps=tuple(train_steps),
        several_steps=tuple(several_steps),
        fewer_steps=tuple(fewer_steps),
        eval_step=jax.jit(build_eval_step(config, model), out_shardings=replicated(mesh)),
        model=model,
        shared=shared,
        teachers=tuple(teachers),
        groups=groups.names if groups else (),
    )


def with_rate(parts: Parts, factor: float) -> Parts:
    """Returns the same compiled steps with another factor on the learning rate, see `assemble`."""
    old = parts.shared["rate_factor"]
    new = jax.device_put(np.float32(factor), old.sharding)
    return dataclasses.replace(parts, shared={**parts.shared, "rate_factor": new})


def _batch_layouts(mesh: Mesh, rows: Iterable[str], shared: Iterable[str]) -> tuple[Any, Any]:
    """Returns the shardings of one step's batch, and of the batches of several steps."""
    whole = replicated(mesh)
    everywhere = dict.fromkeys(shared, whole)
    one, several = (
        dict.fromkeys(rows, where(mesh)) | everywhere for where in (batch_sharding, batches_sharding)
    )
    return one, {**several, "count": whole}


def _schedule(config: ConfigDict, stage: ConfigDict, per_epoch: float, length: int) -> optax.Schedule:
    group = config.schedule.copy_and_resolve_references()
    group.learning_rate = stage.learning_rate
    factor = schedules.rate_factor(config.schedule, config.train.batch_size)
    return schedules.create(group, per_epoch, length, factor)


def _after(schedule: optax.Schedule, start: int) -> optax.Schedule:
    """Turns a stage's schedule into a function of the run's step."""
    return lambda step: schedule(step - start)


class Prepared(NamedTuple):
    """The data and steps of a run; runs that differ in `train.seed` alone can share them.

    Attributes:
        mesh: the devices.
        parts: network, optimizer and steps.
        train: the training split.
        validation: it chooses the best step.
        test: it is scored once, at the end; decoded only then. None in a trial of a search, which never
            opens it.
    """

    mesh: Mesh
    parts: Parts
    train: Source
    validation: Source
    test: Source | None
