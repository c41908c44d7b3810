"""Training steps with real input beside the same steps on one batch that lies on the device.

    python -m benchmarks.real_input [--model resemotenet] [--size 64] [--batch 64] [--precision float32]
                                    [--images 4000] [--steps 16] [--steps_per_call 8] [--rounds 3]
                                    [--json FILE]

Every turn takes so many steps. The images are generated and stored as FER2013 is; they come as a run takes
them: from memory, from every device's memory, or decoded from PNG while the steps run. Beside them stands
PyTorch eager with a DataLoader over an array in memory. The aim is within 3 % of synthetic.
"""

import argparse
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import torch
from ml_collections import ConfigDict

from benchmarks import command_line, generated, measure
from benchmarks.beside_torch import PACKAGES
from benchmarks.torch_data import ArrayDataset
from benchmarks.torch_side import DEVICE, TorchTraining
from ferjax import config as ferjax_config
from ferjax.cluster.mesh import global_batch, global_batches, make_mesh
from ferjax.data import load
from ferjax.data.pipeline import train_batches
from ferjax.data.sources import Source
from ferjax.interop.torch_networks import NETWORKS
from ferjax.training.device_source import DeviceSource
from ferjax.training.setup import assemble

SYNTHETIC, TORCH_SYNTHETIC = "ferjax, one batch", "torch eager, one batch"
TORCH_LOADER = "torch eager, DataLoader"
# Which run each is compared with.
BASES = {TORCH_LOADER: TORCH_SYNTHETIC}


class Steps:
    """Some training steps as `ferjax.training.loop` takes them.

    Args:
        config: of the run.
        source: the training split.
        steps: of a turn.
        together: steps a call.
        synthetic: all steps take the first batch.
    """

    def __init__(
        self, config: ConfigDict, source: Source, steps: int, together: int = 1, synthetic: bool = False
    ) -> None:
        self.mesh = make_mesh(config.mesh)
        parts = assemble(config, source, self.mesh)
        self.steps, self.together = steps, together
        self.step = (parts.train_steps if together == 1 else parts.several_steps)[0]
        self.state = parts.init(np.uint32(0))
        self.held = {"held": source.held} if isinstance(source, DeviceSource) else {}
        self.batches = train_batches(source, batch_size=config.train.batch_size, seed=0)
        self.constant = self._next() if synthetic else None

    def _next(self) -> dict[str, Any]:
        if self.together == 1:
            return global_batch(next(self.batches), self.mesh) | self.held
        rows = [next(self.batches) for _ in range(self.together)]
        return global_batches(rows, self.mesh, self.together) | self.held

    def __call__(self) -> None:
        """One turn; returns when the new parameters are there."""
        for _ in range(0, self.steps, self.together):
            self.state, _sums = self.step(self.state, self.constant or self._next())
        jax.block_until_ready(self.state)


def torch_steps(network: str, batch: np.ndarray, labels: np.ndarray, half: bool, steps: int) -> dict:
    """Turns of PyTorch eager, on one batch and from a DataLoader over the same images."""
    size = batch.shape[0]
    training = TorchTraining(network, batch, labels, half, channels_last=False, compiled=False)
    dataset = ArrayDataset(batch, labels)

    def drawn() -> Iterator:
        sampler = torch.utils.data.RandomSampler(dataset, replacement=True, num_samples=2**24)
        yield from torch.utils.data.DataLoader(dataset, size, sampler=sampler, pin_memory=DEVICE == "cuda")

    batches = drawn()

    def turn(real: bool) -> None:
        for _ in range(steps):
            if real:
                images, classes = next(batches)
                images = images.to(DEVICE, non_blocking=True).permute(0, 3, 1, 2).contiguous()
                loss = training.step(images, classes.to(DEVICE, non_blocking=True))
            else:
                loss = training.step()
        loss.item()

    return {TORCH_SYNTHETIC: lambda: turn(False), TORCH_LOADER: lambda: turn(True)}


def compare(args: argparse.Namespace) -> list[dict]:
    """Times every way of input; returns the rows of the record, with `ratio` to the synthetic run.

    Args:
        args: `model`, `size`, `batch`, `precision`, `images`, `steps`, `steps_per_call` and `rounds`.
    """
    size, batch, precision = args.size, args.batch, args.precision
    steps, together = args.steps, args.steps_per_call
    config = ferjax_config.defaults()
    config.model.name = args.model
    config.data.update(name="fer2013", image_size=size)
    config.train.update(batch_size=batch, precision=precision, log_every=together, steps_per_call=together)
    mesh = make_mesh(config.mesh)
    with tempfile.TemporaryDirectory() as folder:
        generated.build(Path(folder), {"train": args.images, "validation": 7, "test": 7})
        memory, stream = (
            load("fer2013", "train", Path(folder), image_size=size, channels=3, cache=cache)
            for cache in ("memory", "stream")
        )
        device = DeviceSource(memory, mesh)
        first = memory.take(np.arange(batch) % len(memory))
        runs = {
            SYNTHETIC: Steps(config, memory, steps, synthetic=True),
            "ferjax, memory": Steps(config, memory, steps),
            "ferjax, device": Steps(config, device, steps),
            f"ferjax, device, {together} steps a call": Steps(config, device, steps, together),
            "ferjax, stream": Steps(config, stream, steps),
            **torch_steps(args.model, first["image"], first["label"], precision == "bfloat16", steps),
        }
        seconds = measure.interleaved(runs, args.rounds)
        for run in runs.values():
            if isinstance(run, Steps):
                run.batches.close()
    title = f"{steps} steps, {args.model}, {size}×{size}, batch {batch}, {precision}"
    rows = measure.table(title, steps * batch, seconds)
    for row in rows:
        base = statistics.median(seconds[BASES.get(row["run"], SYNTHETIC)])
        if row["run"] == TORCH_SYNTHETIC:
            base = row["seconds"]["median"]
        row["ratio"] = row["seconds"]["median"] / base
    return rows


def main() -> None:
    """Measures and prints a table."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--model", default="resemotenet", choices=sorted(NETWORKS))
    parser.add_argument("--size", type=int, default=64, help="image height and width")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--precision", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--steps", type=int, default=16, help="of a turn")
    parser.add_argument("--steps_per_call", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", default="benchmarks/results/real_input.json")
    args = parser.parse_args()
    measure.record("real_input", compare(args), PACKAGES, args.json)


if __name__ == "__main__":
    main()
