"""Builds the training step of a config for devices that need not be here, without its data."""

import importlib.util
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jax.experimental import topologies
from jax.sharding import Mesh
from ml_collections import ConfigDict

from ferjax.cluster.mesh import batch_sharding, check_batch, make_mesh, replicated
from ferjax.cost_model.roofline import TPUS
from ferjax.data.memory_source import MemorySource
from ferjax.errors import UserError
from ferjax.training import affect
from ferjax.training.distillation import Teacher
from ferjax.training.network import create_model
from ferjax.training.setup import Parts, assemble, check_methods
from ferjax.training.teachers import read_teachers

if TYPE_CHECKING:
    from jaxlib._jax import Device  # type checkers take jax.Device for a variable

HERE = "here"


def devices_of(topology: str) -> Sequence["Device"]:
    """Returns the devices of a named TPU topology such as `v5e:4x4`, or of this machine for `here`.

    Raises:
        UserError: there is no such topology, or the TPU compiler is not installed.
    """
    if topology == HERE:
        return jax.devices()
    kind, colon, shape = topology.partition(":")
    if kind not in TPUS or not colon:
        raise UserError(
            f"unknown topology {topology!r}; it is {HERE}, or KIND:SHAPE such as v5e:4x4 with a kind of "
            f"{', '.join(TPUS)}"
        )
    os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")  # there is no TPU to ask about
    os.environ.setdefault("ALLOW_MULTIPLE_LIBTPU_LOAD", "1")  # nor one that only one process may use
    if importlib.util.find_spec("libtpu") is None:
        raise UserError(
            f"compiling for {topology} needs the TPU compiler: pip install 'ferjax[tpu-aot]' (Linux, in an "
            "environment without GPU builds of JAX)"
        )
    # By default a shape means whole hosts of four or eight chips; a single chip is less than one.
    options = {"chips_per_host_bounds": (1, 1, 1)} if set(shape.split("x")) == {"1"} else {}
    try:
        return topologies.get_topology_desc(topology, platform="tpu", **options).devices
    except Exception as error:  # the compiler's library raises many kinds
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(f"the TPU compiler has no topology {topology!r}: {reason[0][:200]}") from error


def stand_in(config: ConfigDict, num_classes: int, examples: int) -> MemorySource:
    """Makes noise in the shapes of a training split: compiling depends on the shapes alone."""
    generator = np.random.default_rng(0)
    size = config.data.source_size or config.data.image_size
    return MemorySource(
        generator.integers(0, 256, (examples, size, size, 3), dtype=np.uint8),
        np.arange(examples) % num_classes,
        label_names=[str(label) for label in range(num_classes)],
        name=config.data.name,
        split="train",
        affect=np.zeros((examples, affect.OUTPUTS), np.float32) if config.affect.head != "none" else None,
    )


def assembled(config: ConfigDict, devices: Sequence["Device"], num_classes: int) -> tuple[Parts, Mesh]:
    """Builds the parts of a run on these devices, without its data; teachers are opened for their shapes.

    Raises:
        UserError: the mesh, the batch, the network or a teacher does not fit.
    """
    if config.loss.group_dro:
        raise UserError("aot does not read the data set, and so not its groups: leave loss.group_dro out")
    mesh = make_mesh(config.mesh, devices)
    check_batch(config.train.batch_size, config.train.accumulate_steps, mesh, "train.batch_size")
    check_methods(config, create_model(config, num_classes))
    return assemble(
        config,
        stand_in(config, num_classes, num_classes),
        mesh,
        teachers=[_placed(teacher, mesh, num_classes) for teacher in read_teachers(config, None)],
    ), mesh


def _placed(teacher: Teacher, mesh: Mesh, num_classes: int) -> Teacher:
    """Puts a teacher's weights on the devices; on those that are not here, their shapes."""
    if len(teacher.order) != num_classes:
        raise UserError(
            f"the teacher {teacher.path} knows {len(teacher.order)} classes: set --num_classes="
            f"{len(teacher.order)}"
        )
    where = replicated(mesh)
    if mesh.devices.flat[0] in jax.devices():
        return teacher._replace(variables=jax.device_put(teacher.variables, where))
    shapes = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=where), teacher.variables
    )
    return teacher._replace(variables=shapes)


def lowered_step(config: ConfigDict, parts: Parts, mesh: Mesh) -> Any:
    """Lowers the last stage's training step for the mesh's devices."""
    step: Any = parts.train_steps[-1]  # a jitted function; `Parts` promises only a call
    return step.lower(parts.like, {**batch_shapes(config, mesh), **parts.shared})


def compiled_step(config: ConfigDict, parts: Parts, mesh: Mesh) -> Any:
    """Compiles the last stage's training step for the mesh's devices."""
    return lowered_step(config, parts, mesh).compile()


def batch_shapes(config: ConfigDict, mesh: Mesh) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns the shapes of a batch with their shardings."""
    rows = config.train.batch_size
    size = config.data.source_size or config.data.image_size
    sharding = batch_sharding(mesh)
    batch = {
        "image": jax.ShapeDtypeStruct((rows, size, size, 3), np.uint8, sharding=sharding),
        "label": jax.ShapeDtypeStruct((rows,), np.int32, sharding=sharding),
    }
    if config.loss.scn:
        batch["index"] = batch["label"]
    if config.affect.head != "none":
        batch["affect"] = jax.ShapeDtypeStruct((rows, affect.OUTPUTS), np.float32, sharding=sharding)
    return batch
