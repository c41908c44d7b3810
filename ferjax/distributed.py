"""Processes, the device mesh, and how arrays lie on it."""

import contextlib
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from ml_collections import ConfigDict

from ferjax.errors import UserError

BATCH = PartitionSpec(("data", "fsdp"))


@contextlib.contextmanager
def processes(
    automatic: bool = False, coordinator: str = "", count: int = 0, index: int = -1, timeout: int = 300
) -> Iterator[None]:
    """Joins the processes of one run, and leaves together; does nothing for a single process.

    Must be entered before any device is touched.

    Args:
        automatic: let JAX find out from SLURM, Kubernetes, Open MPI or Cloud TPU.
        coordinator: `host:port` of process 0, where nothing can be found out.
        count: number of processes.
        index: this process's number.
        timeout: seconds to wait for the others.

    Raises:
        UserError: the others cannot be reached, or only a part of the arguments is given.
    """
    explicit = bool(coordinator) or count > 0 or index >= 0
    if explicit and not (coordinator and count > 0 and index >= 0):
        raise UserError("several processes need all of --coordinator, --processes and --process")
    if not (automatic or explicit):
        yield
        return
    try:
        if explicit:
            jax.distributed.initialize(coordinator, count, index, initialization_timeout=timeout)
        else:
            jax.distributed.initialize(initialization_timeout=timeout)
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        where = coordinator or "found automatically"
        raise UserError(f"could not join the other processes (coordinator {where}): {reason}") from error
    yield
    # Leaving early would make the others' last collective fail.
    multihost_utils.sync_global_devices("end of run")
    jax.distributed.shutdown()


def make_mesh(config: ConfigDict) -> Mesh:
    """A `data × fsdp` mesh of all devices.

    Args:
        config: the group `mesh`; `data` −1 takes all devices that `fsdp` leaves.

    Raises:
        UserError: the axes do not multiply to the number of devices.
    """
    count = jax.device_count()
    data, fsdp = config.data, config.fsdp
    if data == -1:
        data = max(count // fsdp, 1)
    if data * fsdp != count:
        raise UserError(
            f"a mesh of data {data} × fsdp {fsdp} needs {data * fsdp} devices, but there are {count}; "
            f"set mesh.data to -1 and mesh.fsdp to a divisor of {count}"
        )
    return jax.make_mesh((data, fsdp), ("data", "fsdp"), axis_types=(AxisType.Auto, AxisType.Auto))


def check_batch(size: int, parts: int, mesh: Mesh, field: str) -> None:
    """Refuses a batch that the devices cannot divide.

    Args:
        size: rows of the global batch.
        parts: how many smaller batches it is split into.
        mesh: the devices.
        field: the config field to name.

    Raises:
        UserError: the size is not a multiple of devices × parts.
    """
    unit = mesh.size * parts
    if size % unit:
        nearest = max(size // unit, 1) * unit
        raise UserError(
            f"{field} {size} cannot be divided over {mesh.size} devices"
            + (f" and {parts} accumulation steps" if parts > 1 else "")
            + f"; it must be a multiple of {unit}, for example {nearest}"
        )


def replicated(mesh: Mesh) -> NamedSharding:
    """Every device holds the whole array."""
    return NamedSharding(mesh, PartitionSpec())


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """The first axis is split over all devices."""
    return NamedSharding(mesh, BATCH)


def state_shardings(shapes: Any, mesh: Mesh) -> Any:
    """How each array of a state lies on the mesh: split over `fsdp` along its longest divisible axis.

    Vectors and what does not divide are replicated, as is everything if the mesh has one fsdp device.

    Args:
        shapes: a tree of `ShapeDtypeStruct`s or arrays.
        mesh: the mesh.
    """
    fsdp = mesh.shape["fsdp"]

    def rule(leaf: Any) -> NamedSharding:
        axes = [axis for axis, size in enumerate(leaf.shape) if size % fsdp == 0]
        if fsdp == 1 or leaf.ndim < 2 or not axes:
            return replicated(mesh)
        longest = max(axes, key=lambda axis: leaf.shape[axis])
        return NamedSharding(mesh, PartitionSpec(*[None] * longest, "fsdp"))

    return jax.tree.map(rule, shapes)


def global_batch(rows: dict[str, np.ndarray], mesh: Mesh) -> dict[str, jax.Array]:
    """This process's rows `[b, …]` as its part of global arrays `[B, …]`, row order by process."""
    sharding = batch_sharding(mesh)
    return {name: jax.make_array_from_process_local_data(sharding, value) for name, value in rows.items()}


def any_process(flag: bool) -> bool:
    """Whether the flag is set on any process; all processes must call it."""
    if jax.process_count() == 1:
        return flag
    return bool(multihost_utils.process_allgather(np.asarray(flag)).any())
