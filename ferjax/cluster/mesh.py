"""The device mesh, and how arrays are laid out on it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jax import Array
from jax.experimental import mesh_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from ml_collections import ConfigDict

from ferjax.errors import UserError

if TYPE_CHECKING:
    from jaxlib._jax import Device  # type checkers take jax.Device for a variable

BATCH = PartitionSpec(("data", "fsdp"))


def make_mesh(config: ConfigDict, devices: Sequence["Device"] | None = None) -> Mesh:
    """Makes a `data × fsdp` mesh of all devices, process after process.

    An fsdp group lies within a process or spans neighbouring ones, so that weights are gathered over the
    fastest links; `data` is the outer axis, over hosts and slices.

    Args:
        config: the group `mesh`; `data` −1 takes all devices that `fsdp` leaves.
        devices: the devices of all processes; JAX's own list if None.

    Raises:
        UserError: the axes do not multiply to the number of devices, or an fsdp group would cut a process.
    """
    devices = jax.devices() if devices is None else list(devices)
    count = len(devices)
    data, fsdp = config.data, config.fsdp
    if data == -1:
        data = max(count // fsdp, 1)
    if data * fsdp != count:
        raise UserError(
            f"a mesh of data {data} × fsdp {fsdp} needs {data * fsdp} devices, but there are {count}; "
            f"set mesh.data to -1 and mesh.fsdp to a divisor of {count}"
        )
    hosts = len({device.process_index for device in devices})
    if hosts == 1:
        grid = mesh_utils.create_device_mesh((data, fsdp), devices)
    else:
        chips = count // hosts
        if fsdp % chips and chips % fsdp:
            raise UserError(
                f"mesh.fsdp {fsdp} does not fit {hosts} processes of {chips} devices: it must divide {chips} "
                "or be a multiple of it"
            )
        inner = (max(chips // fsdp, 1), min(fsdp, chips))
        outer = (data // inner[0], fsdp // inner[1])
        grid = mesh_utils.create_hybrid_device_mesh(inner, outer, devices, process_is_granule=True)
    return Mesh(grid, ("data", "fsdp"), axis_types=(AxisType.Auto, AxisType.Auto))


def check_batch(size: int, parts: int, mesh: Mesh, field: str) -> None:
    """Refuses a batch size that cannot be divided over the devices.

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
        possible = max(size // unit, 1) * unit
        raise UserError(
            f"{field} {size} cannot be divided over {mesh.size} devices"
            + (f" and {parts} accumulation steps" if parts > 1 else "")
            + f"; it must be a multiple of {unit}, for example {possible}"
        )


def replicated(mesh: Mesh) -> NamedSharding:
    """Returns the sharding by which every device holds the whole array."""
    return NamedSharding(mesh, PartitionSpec())


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """Returns the sharding that splits the first axis over all devices."""
    return NamedSharding(mesh, BATCH)


def batches_sharding(mesh: Mesh) -> NamedSharding:
    """Returns the sharding that splits the second axis over all devices; the first counts steps."""
    return NamedSharding(mesh, PartitionSpec(None, *BATCH))


def state_shardings(shapes: Any, mesh: Mesh) -> Any:
    """Chooses the sharding of each array of a state: split over `fsdp` along its longest divisible axis.

    Vectors and arrays without a divisible axis are replicated, as is everything if fsdp is 1.

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


def describe_sharding(like: Any, mesh: Mesh) -> str:
    """Describes the rule of `state_shardings` in words, and its effect on a state.

    Args:
        like: a tree of `ShapeDtypeStruct`s with shardings.
        mesh: the mesh.
    """
    leaves = [(leaf, leaf.size * leaf.dtype.itemsize) for leaf in jax.tree.leaves(like)]
    total = sum(size for _, size in leaves)
    split = [size for leaf, size in leaves if not leaf.sharding.is_fully_replicated]
    fsdp = mesh.shape["fsdp"]
    return (
        f"arrays of two and more axes are split over fsdp={fsdp} along their longest divisible axis: "
        f"{len(split)} of {len(leaves)} arrays, {sum(split) / total:.1%} of the state's {total / 1e6:,.1f} "
        f"MB; the others are on every device: {(total - sum(split) * (1 - 1 / fsdp)) / 1e6:,.1f} MB a device"
    )


def global_batch(rows: dict[str, np.ndarray], mesh: Mesh) -> dict[str, Array]:
    """Turns this process's rows `[b, …]` into its part of global arrays `[B, …]`, ordered by process."""
    sharding = batch_sharding(mesh)
    return {name: jax.make_array_from_process_local_data(sharding, value) for name, value in rows.items()}


def global_batches(rows: Sequence[dict[str, np.ndarray]], mesh: Mesh, length: int) -> dict[str, Array]:
    """Makes global arrays of several steps, `[length, B, …]`, and their number, `count`.

    Args:
        rows: the rows of each step; the last step is repeated up to `length`.
        mesh: the devices.
        length: at least the number of steps.
    """
    put, full = jax.make_array_from_process_local_data, [*rows, *[rows[-1]] * (length - len(rows))]
    stacked = {name: np.stack([each[name] for each in full]) for name in rows[0]}
    batches = {name: put(batches_sharding(mesh), values) for name, values in stacked.items()}
    return {**batches, "count": put(replicated(mesh), np.int32(len(rows)))}
