"""Refuses batches for which there cannot be memory, before anything is allocated.

The estimate is what a step must hold at the same time on one device, at the very least, from shapes alone:

- the batch's images in uint8, for each step of a call;
- training: the state (parameters, statistics, optimizer), and for the backward pass of one part of the batch
  what the layers with weights take, or what they give if that is more; but not more than automatic
  differentiation keeps, which is little where layers are frozen or computed again (rematerialised);
- with sharpness-aware minimisation, the trained weights once more: the second gradient is taken elsewhere;
- with teachers, their weights, and the largest array that one of their layers takes or gives for such a part;
- evaluation: the parameters, and the largest array that a layer with weights takes or gives.

A compiled step holds more, which `tests/training/test_memory.py` checks. Nothing is compiled here, and
what automatic differentiation keeps is traced only for a batch that is about to be refused.
"""

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from ml_collections import ConfigDict

from ferjax import models
from ferjax.config import stages_of
from ferjax.errors import UserError
from ferjax.platform.machine import device_memory
from ferjax.training import optimizers, stages, state
from ferjax.training.distillation import Teacher
from ferjax.training.network import build_model
from ferjax.training.remat import rematerialised

# Numbers that a state holds at most for each parameter: itself, two moments, an average.
_COPIES = 4


@dataclasses.dataclass
class Layers:
    """Sizes of a network's layers with weights, in numbers for one image.

    Attributes:
        weights: of all kernels together.
        taken: of all arrays that the layers take.
        given: of all arrays that they give.
        largest: of the largest of these arrays.
    """

    weights: int = 0
    taken: int = 0
    given: int = 0
    largest: int = 0


@contextlib.contextmanager
def measured_layers() -> Iterator[Layers]:
    """Yields the sizes of the layers of the network that is traced with one image inside."""
    layers, seen = Layers(), set()

    def measure(call: Callable, arguments: tuple, keywords: dict, context: Any) -> Any:
        out, module = call(*arguments, **keywords), context.module
        if context.method_name != "__call__" or not module.has_variable("params", "kernel"):
            return out
        taken, given = (
            sum(np.size(leaf) for leaf in jax.tree.leaves(tree) if hasattr(leaf, "shape"))
            for tree in (arguments, out)
        )
        layers.taken, layers.given = layers.taken + taken, layers.given + given
        layers.largest = max(layers.largest, taken, given)
        if module.path not in seen:  # a network may use a layer several times
            seen.add(module.path)
            layers.weights += np.size(module.get_variable("params", "kernel"))
        return out

    with nn.intercept_methods(measure):
        yield layers


def check_memory(
    config: ConfigDict, model: nn.Module, layers: Layers, mesh: Mesh, teachers: Sequence[Teacher] = ()
) -> None:
    """Refuses batches for which the devices cannot have memory.

    Args:
        config: of a run.
        model: its network, for any number of classes.
        layers: see `measured_layers`.
        mesh: the devices.
        teachers: what the steps learn from.

    Raises:
        UserError: what is needed, what there is, and what to lower.
    """
    check_evaluation(config, layers, mesh)
    shared, room = _room()
    if room is None:
        return
    # With data.cache=device a call brings indices.
    steps = 1 if config.data.cache == "device" else config.train.steps_per_call
    images, rows = _images(config, config.train.batch_size, mesh, steps)
    rows *= _views(config)
    part = -(-rows // config.train.accumulate_steps)
    arrays = _itemsize(config) * part * max(layers.taken, layers.given)
    taught = sum(_bytes(teacher.variables) for teacher in teachers)
    # They answer before the network's own pass forward.
    answers = max((_answer_bytes(teacher, part) for teacher in teachers), default=0)
    copies = _COPIES + (config.optimizer.sam_rho > 0)
    if shared * (images + 4 * copies * layers.weights + taught + max(arrays, answers)) <= room:
        return
    fsdp = mesh.shape["fsdp"]
    counted = [step_bytes(config, stage, model, part) for stage in stages_of(config)]
    held = counted[0].state / fsdp
    most = max(min(each.kept, arrays) + each.moved / fsdp for each in counted)
    needed = held + images + taught + max(most, answers)
    if shared * needed > room:
        parts = {"images": images / needed, "state": held / needed, "teachers": taught / needed}
        raise UserError(_refusal(config, "train", shared * needed, room, parts))


def check_teachers(config: ConfigDict, teachers: Sequence[Teacher], mesh: Mesh) -> None:
    """Repeats `check_memory` with teachers, which are opened after the data."""
    if teachers:
        with measured_layers() as layers:
            model = build_model(config, num_classes=2)
        check_memory(config, model, layers, mesh, teachers)


def _answer_bytes(teacher: Teacher, rows: int) -> int:
    """Returns the bytes of the largest array that a layer of a teacher takes or gives."""
    with measured_layers() as layers:
        models.initial_shapes(teacher.model, (teacher.image_size, teacher.image_size, 3))
    return jnp.dtype(getattr(teacher.model, "dtype", None) or jnp.float32).itemsize * rows * layers.largest


def check_evaluation(config: ConfigDict, layers: Layers, mesh: Mesh) -> None:
    """Refuses `eval.batch_size` alone, see `check_memory`."""
    shared, room = _room()
    images, rows = _images(config, config.eval.batch_size, mesh)
    rows *= _views(config)
    held = 4 * layers.weights / mesh.shape["fsdp"]
    needed = held + images + _itemsize(config) * rows * layers.largest
    if room is not None and shared * needed > room:
        parts = {"images": images / needed, "state": held / needed}
        raise UserError(_refusal(config, "eval", shared * needed, room, parts))


class StepBytes(NamedTuple):
    """Bytes of a training step on one device without fsdp.

    Attributes:
        state: of the whole state.
        kept: what automatic differentiation keeps of the forward pass.
        moved: the trained weights where the second gradient is taken; 0 without one.
    """

    state: int
    kept: int
    moved: int


def step_bytes(config: ConfigDict, stage: ConfigDict, model: nn.Module, rows: int) -> StepBytes:
    """Counts the bytes of a step from shapes.

    Args:
        config: of the run.
        stage: one of its stages; of what it freezes little is kept.
        model: the network.
        rows: images that pass forward together.
    """
    shape = (config.data.image_size, config.data.image_size, 3)
    tx = optimizers.create(config.optimizer, lambda step: 0.0)
    whole = jax.eval_shape(
        partial(state.create, model, tx, shape, ema=config.optimizer.ema_decay > 0), np.uint32(0)
    )
    rules, apply = stages.rules(config, stage, model, shape), rematerialised(model.apply, config.train.remat)
    trained, frozen = stages.split(whole.params, rules.frozen)
    images = jax.ShapeDtypeStruct((rows, *shape), _dtype(config))

    def backward(trained: Any, frozen: Any, statistics: Any, images: jax.Array) -> Any:
        def forward(trained: Any) -> Any:
            return apply(
                {"params": stages.join(trained, frozen), "batch_stats": statistics},
                images,
                train=True,
                mutable=["batch_stats", "losses"],
                rngs={"dropout": jax.random.key(0)},
            )

        with nn.intercept_methods(stages.statistics_kept(rules)):
            return jax.vjp(forward, trained, has_aux=True)[1]  # a tree of what is kept

    kept = _bytes(jax.eval_shape(backward, trained, frozen, whole.batch_stats, images))
    moved = _bytes(trained) if config.optimizer.sam_rho else 0
    return StepBytes(_bytes(whole), max(kept - _bytes(whole.params), 0), moved)


def _bytes(tree: Any) -> int:
    leaves = [leaf for leaf in jax.tree.leaves(tree) if not jnp.issubdtype(leaf.dtype, jax.dtypes.extended)]
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in leaves)


def _dtype(config: ConfigDict) -> jnp.dtype:
    return jnp.dtype(config.train.precision)


def _itemsize(config: ConfigDict) -> int:
    return _dtype(config).itemsize


def _images(config: ConfigDict, batch: int, mesh: Mesh, steps: int = 1) -> tuple[int, int]:
    """Returns the bytes of a call's images on one device, and how many images one step has there."""
    side, rows = config.data.source_size or config.data.image_size, -(-batch // mesh.size)
    return steps * rows * side * side * 3, rows


def _views(config: ConfigDict) -> int:
    """Returns how many views of each image pass the network."""
    return 2 if config.pretrain.method == "simclr" else 1


def _room() -> tuple[int, int | None]:
    """Returns how many devices share a memory, and its bytes; None where that is unknown."""
    device = jax.local_devices()[0]
    return jax.local_device_count() if device.platform == "cpu" else 1, device_memory(device)


def _refusal(config: ConfigDict, group: str, needed: float, room: int, parts: dict[str, float]) -> str:
    """Says what is needed, what there is, and what to lower.

    Args:
        config: of the run.
        group: `train` or `eval`.
        needed: bytes.
        room: bytes.
        parts: of `needed`: `images` of all steps of a call; what does not grow with the batch, which is
            `state`, parameters and optimizer, and the weights of `teachers`, if any.
    """
    batch, side, calls = config[group].batch_size, config.data.image_size, config.train.steps_per_call
    lower = [f"{group}.batch_size", "data.image_size"]
    if parts["images"] > 0.5 and calls > 1 and group == "train":
        lower.insert(0, f"train.steps_per_call ({calls:,})")
    if parts["state"] > 0.5:
        lower = ["the widths among the network's options (config group model)"]
    if parts.get("teachers", 0) > 0.5:
        lower = ["the number or size of the teachers (distill.from)"]
    name = config.model.name + (" with its teachers and" if parts.get("teachers") else " with")
    where = "this machine" if jax.local_devices()[0].platform == "cpu" else "a device"
    return (
        f"{name} a batch of {batch:,} images of {side}x{side} ({group}.batch_size) needs "
        f"at least {needed / 2**30:,.1f} GiB and {where} has {room / 2**30:,.1f}: lower {' or '.join(lower)}"
    )
