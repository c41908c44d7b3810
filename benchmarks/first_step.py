"""Seconds from starting a process to the end of its first training step, and its peak memory, side by side.

    python -m benchmarks.first_step [--model resemotenet] [--size 64] [--batch 16] [--precision float32]
                                    [--nocompiled] [--json FILE]

Each side runs in a process of its own, which imports only what it needs: first with empty folders of compiled
programs, then with full ones. Peak memory is the device's; on a CPU the process's, libraries and all.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks import command_line, measure

SIDES = ("ferjax", "torch eager", "torch.compile, channels last")


def one_side(args: argparse.Namespace) -> dict[str, float]:
    """What the child does: builds its side and takes two steps, the second for the allocator's peak."""
    import numpy as np

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (args.batch, args.size, args.size, 3), np.uint8)
    labels = rng.integers(0, 7, args.batch, np.int32)
    if args.side == "ferjax":
        from benchmarks.ferjax_side import FerjaxTraining
        from ferjax.platform import process

        process.prepare()
        run = FerjaxTraining(images, labels, args.precision, args.model)
    else:
        from benchmarks.torch_side import TorchTraining

        compiled = args.side != "torch eager"
        run = TorchTraining(args.model, images, labels, args.precision == "bfloat16", compiled, compiled)
    run()
    seconds = time.time() - psutil.Process().create_time()
    run()
    return {"seconds": seconds, "peak_memory_bytes": _peak(args.side)}


def _peak(side: str) -> int:
    if side != "ferjax":
        import torch

        if torch.cuda.is_available():
            return torch.cuda.max_memory_allocated()
    from ferjax.platform.machine import peak_memory

    return peak_memory()


def measured(model: str, size: int, batch: int, precision: str, compiled: bool) -> list[dict]:
    """A row for each side: `cold` and `warm` seconds and `peak_memory_bytes` of the warm process."""
    rows = []
    for side in SIDES if compiled else SIDES[:2]:
        with tempfile.TemporaryDirectory() as folder:
            arguments = [
                f"--side={side}", f"--model={model}", f"--size={size}", f"--batch={batch}",
                f"--precision={precision}",
            ]  # fmt: skip
            cold, warm = (_child(arguments, folder) for _ in range(2))
        rows.append({"run": side, "cold": cold["seconds"], "warm": warm["seconds"],
                     "peak_memory_bytes": warm["peak_memory_bytes"]})  # fmt: skip
    return rows


def _child(arguments: list[str], folder: str) -> dict[str, float]:
    environment = {
        "JAX_COMPILATION_CACHE_DIR": str(Path(folder) / "jax"),
        "TORCHINDUCTOR_CACHE_DIR": str(Path(folder) / "torch"),
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",  # the peak is what is used
    }
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.first_step", *arguments],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measures and prints a table; with --side, is the child."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--model", default="resemotenet")
    parser.add_argument("--size", type=int, default=64, help="image height and width")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--precision", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--nocompiled", action="store_true", help="leave torch.compile out")
    parser.add_argument("--json", default="benchmarks/results/first_step.json")
    parser.add_argument("--side", choices=SIDES, help="only this one, in this process")
    args = parser.parse_args()
    if args.side:
        print(json.dumps(one_side(args)))
        return
    rows = measured(args.model, args.size, args.batch, args.precision, not args.nocompiled)
    print(f"{'':32s} {'cold s':>8s} {'warm s':>8s} {'peak MiB':>9s}")
    for row in rows:
        print(
            f"{row['run']:32s} {row['cold']:8.1f} {row['warm']:8.1f} {row['peak_memory_bytes'] / 2**20:9,.0f}"
        )
    measure.record("first_step", rows, ("jax", "jaxlib", "flax", "torch"), args.json)


if __name__ == "__main__":
    main()
