"""What scaling costs, where CPU devices can tell: equality, bytes exchanged, memory.

    python -m benchmarks.scaling [--steps 3] [--json FILE]

Each row is one or two fresh processes with 1, 2, 4 or 8 CPU devices together, with weights split or not. The
losses of some steps are compared with one device's, in float32 and in float64: what is a different order of
adding, and no mistake, must vanish in the latter. All devices of a CPU share its cores: times say nothing
about scaling, and are left out.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
from collections import Counter

import jax
import numpy as np
from jax.sharding import Mesh
from ml_collections import ConfigDict

from benchmarks import command_line, measure
from ferjax.cluster.mesh import global_batch
from ferjax.config import defaults
from ferjax.cost_model.collectives import collectives
from ferjax.cost_model.step_for_devices import assembled, compiled_step, stand_in
from ferjax.training.setup import Parts

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint")
# processes, devices of all of them, fsdp
MESHES = ((1, 1, 1), (1, 2, 1), (1, 4, 1), (1, 8, 1), (1, 8, 2), (1, 8, 8), (2, 2, 1), (2, 8, 1), (2, 8, 8))
PRECISIONS = ("float32", "float64")
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
    own = np.split(np.arange(BATCH), jax.process_count())[jax.process_index()]
    for step in range(steps):
        batch = global_batch(source.take((own + 7 * step) % 64), mesh)
        state, sums = parts.train_steps[-1](state, batch)
        losses.append(float(sums["loss"]) / float(sums["weight"]))
    return losses


def one(fsdp: int, steps: int) -> dict:
    """What the mesh of all devices exchanges and holds, and its losses."""
    devices, losses = jax.device_count(), {}
    for precision in PRECISIONS:
        with jax.enable_x64(precision == "float64"):
            config = recipe(fsdp, precision)
            parts, mesh = assembled(config, jax.devices(), CLASSES)
            losses[precision] = trained(config, parts, mesh, steps)
    config = recipe(fsdp, "float32")
    parts, mesh = assembled(config, jax.devices(), CLASSES)
    compiled = compiled_step(config, parts, mesh)
    sums: Counter[str] = Counter()
    for exchange, times in collectives(compiled.as_text(), devices).items():
        sums[exchange.kind] += times * exchange.size
    leaves = jax.tree.leaves(parts.like)
    parameters = sum(leaf.size for leaf in jax.tree.leaves(parts.like.params))
    statistics_ = sum(leaf.size for leaf in jax.tree.leaves(parts.like.batch_stats))
    here = sum(np.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize for leaf in leaves)
    return {
        "processes": jax.process_count(),
        "devices": devices,
        "fsdp": fsdp,
        "bytes": dict(sums),
        "theory_bytes": 4 * (parameters + statistics_) if devices > 1 else 0,
        "state_bytes": sum(leaf.size * leaf.dtype.itemsize for leaf in leaves),
        "predicted_state_bytes_a_device": int(here),
        "argument_bytes_a_device": compiled.memory_analysis().argument_size_in_bytes,
        "losses": losses,
    }


def child(argument: str) -> dict:
    """Runs a part of this file as one of some processes."""
    asked = json.loads(argument)
    if asked["processes"] > 1:
        jax.distributed.initialize(asked["coordinator"], asked["processes"], asked["process"])
    return one(asked["fsdp"], asked["steps"])


def start(processes: int, devices: int, fsdp: int, steps: int) -> dict:
    """The answer of `child` in fresh processes, the first one's."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        coordinator = f"127.0.0.1:{probe.getsockname()[1]}"
    asked = {"processes": processes, "coordinator": coordinator, "fsdp": fsdp, "steps": steps}
    own = {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": str(devices // processes)}
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.scaling", "--child", json.dumps({**asked, "process": index})],
            env={**os.environ, **own},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(processes)
    ]
    ended = [process.communicate() for process in started]
    for process, (_, errors) in zip(started, ended, strict=True):
        if process.returncode:
            raise SystemExit(errors)
    return json.loads(ended[0][0].splitlines()[-1])


def main() -> None:
    """Measures and prints a table."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--json", default="benchmarks/results/scaling.json")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(child(args.child)))
        return
    rows = []
    for processes, devices, fsdp in MESHES:
        row = start(processes, devices, fsdp, args.steps)
        rows.append(row)
        row["losses_apart"] = {
            precision: [
                abs(a - b) / abs(b)
                for a, b in zip(row["losses"][precision], rows[0]["losses"][precision], strict=True)
            ]
            for precision in PRECISIONS
        }
        apart = ", ".join(f"{max(row['losses_apart'][name]):.1e} in {name}" for name in PRECISIONS)
        print(
            f"{processes} processes, {devices} devices, fsdp {fsdp}: "
            f"exchanged {sum(row['bytes'].values()) / 1e6:.2f} MB "
            f"(theory {row['theory_bytes'] / 1e6:.2f} without fsdp), "
            f"state a device {row['argument_bytes_a_device'] / 1e6:7.1f} MB (predicted "
            f"{row['predicted_state_bytes_a_device'] / 1e6:.1f}), losses apart {apart}",
            flush=True,
        )
    measure.record("scaling", rows, PACKAGES, args.json)


if __name__ == "__main__":
    main()
