"""What scaling costs, where CPU devices can tell: equality, bytes exchanged, memory.

    python -m benchmarks.scaling [--steps 3] [--json FILE]

Each row is a fresh process with 1, 2, 4 or 8 CPU devices, with weights split or not. All devices of a CPU
share its cores: times say nothing about scaling, and are left out.
"""

import argparse
import json
import os
import subprocess
import sys
from collections import Counter

import jax
import numpy as np
from jax.sharding import Mesh
from ml_collections import ConfigDict

from benchmarks import measure
from ferjax import hlo
from ferjax.aot import assembled, compiled_step, stand_in
from ferjax.config import defaults
from ferjax.distributed import global_batch
from ferjax.setup import Parts

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint")
MESHES = ((1, 1), (2, 1), (4, 1), (8, 1), (8, 2), (8, 8))
BATCH, SIZE, CLASSES = 16, 64, 7


def recipe(fsdp: int, precision: str) -> ConfigDict:
    """ResNet-18 without randomness, at a size at which every weight has a gradient."""
    config = defaults()
    config.train.precision = precision
    config.model.name = "resnet18"
    config.data.image_size = SIZE
    config.train.batch_size = BATCH
    config.augment.flip = False
    config.schedule.learning_rate = 0.01
    config.mesh.fsdp = fsdp
    return config


def trained(config: ConfigDict, parts: Parts, mesh: Mesh, steps: int) -> list[float]:
    """The losses of some steps, with weights of the config's precision."""
    state = parts.init(np.uint32(0))
    widened = [
        jax.tree.map(lambda leaf: leaf.astype(config.train.precision), part)
        for part in (state.params, state.batch_stats)
    ]
    state = state.replace(params=widened[0], batch_stats=widened[1])
    source, losses = stand_in(config, CLASSES, 64), []
    for step in range(steps):
        batch = global_batch(source.take((np.arange(BATCH) + 7 * step) % 64), mesh)
        state, sums = parts.train_steps[-1](state, batch)
        losses.append(float(sums["loss"]) / float(sums["weight"]))
    return losses


def one(devices: int, fsdp: int, steps: int) -> dict:
    """What a mesh exchanges and holds, and its losses."""
    config = recipe(fsdp)
    parts, mesh = assembled(config, jax.devices()[:devices], CLASSES)
    compiled = compiled_step(config, parts, mesh)
    sums: Counter[str] = Counter()
    for exchange, times in hlo.collectives(compiled.as_text(), devices).items():
        sums[exchange.kind] += times * exchange.size
    leaves = jax.tree.leaves(parts.like)
    parameters = sum(leaf.size for leaf in jax.tree.leaves(parts.like.params))
    statistics_ = sum(leaf.size for leaf in jax.tree.leaves(parts.like.batch_stats))
    here = sum(np.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize for leaf in leaves)
    return {
        "devices": devices,
        "fsdp": fsdp,
        "bytes": dict(sums),
        "theory_bytes": 4 * (parameters + statistics_) if devices > 1 else 0,
        "state_bytes": sum(leaf.size * leaf.dtype.itemsize for leaf in leaves),
        "predicted_state_bytes_a_device": int(here),
        "argument_bytes_a_device": compiled.memory_analysis().argument_size_in_bytes,
        "losses": trained(config, parts, mesh, steps),
    }


def child(argument: str) -> dict:
    """Runs a part of this file in a process of its own."""
    asked = json.loads(argument)
    return one(asked["devices"], asked["fsdp"], asked["steps"])


def start(asked: dict, **environment: str) -> dict:
    """The answer of `child` in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scaling", "--child", json.dumps(asked)],
        env={**os.environ, "JAX_PLATFORMS": "cpu", **environment},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--json", default="benchmarks/results/scaling.json")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(child(args.child)))
        return
    rows = []
    for devices, fsdp in MESHES:
        asked = {"devices": devices, "fsdp": fsdp, "steps": args.steps}
        rows.append(start(asked, JAX_NUM_CPU_DEVICES=str(devices)))
        row, first = rows[-1], rows[0]
        apart = max(abs(a - b) / abs(b) for a, b in zip(row["losses"], first["losses"], strict=True))
        row["losses_apart"] = apart
        reduced = sum(row["bytes"].values())
        print(
            f"{devices} devices, fsdp {fsdp}: exchanged {reduced / 1e6:8.2f} MB (theory "
            f"{row['theory_bytes'] / 1e6:.2f} without fsdp), state a device "
            f"{row['argument_bytes_a_device'] / 1e6:7.1f} MB (predicted "
            f"{row['predicted_state_bytes_a_device'] / 1e6:.1f}), losses apart {apart:.1e}",
            flush=True,
        )
    measure.record("scaling", rows, PACKAGES, args.json)


if __name__ == "__main__":
    main()
