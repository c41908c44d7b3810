"""What steps of the tiny network exchange, hold and give on devices: `mesh_scaling.py OUT.json CASE…`."""

import json
import math
import sys

import jax
import tiny

from benchmarks.scaling import trained
from ferjax.cost_model.collectives import collectives
from ferjax.cost_model.step_for_devices import assembled, compiled_step

CASES = {"1": (1, 1), "2": (2, 1), "8": (8, 1), "8, fsdp 4": (8, 4)}


def losses(devices: int, fsdp: int) -> list[float]:
    """Of some steps in float64."""
    config = tiny.tiny_configuration(mesh__fsdp=fsdp, train__batch_size=16)
    config.train.precision = "float64"
    with tiny.registered(), jax.enable_x64(True):
        return trained(config, *assembled(config, jax.devices()[:devices], 7), steps=4)


def found(devices: int, fsdp: int) -> dict:
    """Of a wide network, so that parameters outweigh the batch."""
    config = tiny.tiny_configuration(mesh__fsdp=fsdp, train__batch_size=16)
    config.model.features = 64
    with tiny.registered():
        parts, mesh = assembled(config, jax.devices()[:devices], 7)
        compiled = compiled_step(config, parts, mesh)
    sums: dict[str, int] = {}
    for exchange, times in collectives(compiled.as_text(), devices).items():
        sums[exchange.kind] = sums.get(exchange.kind, 0) + times * exchange.size
    shapes = [leaf for leaf in jax.tree.leaves(parts.like) if hasattr(leaf, "shape")]
    here = [leaf.sharding.shard_shape(leaf.shape) for leaf in shapes]
    return {
        "losses": losses(devices, fsdp),
        "bytes": sums,
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(parts.like.params)),
        "statistics": sum(leaf.size for leaf in jax.tree.leaves(parts.like.batch_stats)),
        "arguments": compiled.memory_analysis().argument_size_in_bytes,
        "state": sum(leaf.size * leaf.dtype.itemsize for leaf in shapes),
        "state here": sum(
            leaf.dtype.itemsize * math.prod(shape) for leaf, shape in zip(shapes, here, strict=True)
        ),
    }


if __name__ == "__main__":
    with open(sys.argv[1], "w") as out:
        json.dump({name: found(*CASES[name]) for name in sys.argv[2:]}, out)
