"""A training step: ferjax against PyTorch eager and torch.compile, interleaved in one process.

    python -m benchmarks.train_step [--model resemotenet] [--size 64] [--batch 16,64] [--precision float32]
                                    [--rounds 7] [--nocompiled] [--json FILE]

Both sides take uint8 images that already lie on the device, flip, normalise, and make one SGD step.
"""

import argparse
from functools import partial

import jax
import numpy as np
import torch

from benchmarks import measure
from benchmarks.torch_side import TorchTraining
from ferjax import config as ferjax_config
from ferjax import models, optimizers, schedules, state, steps
from ferjax.interop.torch_networks import NETWORKS

PACKAGES = ("jax", "jaxlib", "flax", "optax", "torch", "numpy")


class FerjaxTraining:
    """The step of `ferjax.steps`, jitted with a donated state as in training."""

    def __init__(
        self, images: np.ndarray, labels: np.ndarray, precision: str, network: str = "resemotenet"
    ) -> None:
        config = ferjax_config.defaults()  # flips, and SGD with momentum and decay
        dtype = jax.numpy.dtype(precision)
        model = models.create(network, dtype=dtype)
        schedule = schedules.create(config.schedule, steps_per_epoch=1000, total_steps=10_000)
        tx = optimizers.create(config.optimizer, schedule)
        self.state = jax.jit(lambda: state.create(model, tx, images.shape[1:], 0, ema=False))()
        self.step = jax.jit(steps.make_train_step(model, tx, schedule, config, None, dtype), donate_argnums=0)
        self.batch = jax.device_put({"image": images, "label": labels})

    def __call__(self) -> float:
        """One step; returns when the new parameters are there."""
        self.state, sums = self.step(self.state, self.batch)
        jax.block_until_ready(self.state)
        return float(sums["loss"])


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="resemotenet", choices=sorted(NETWORKS))
    parser.add_argument("--batch", default="16,64", help="batch sizes, separated by commas")
    parser.add_argument("--precision", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--size", type=int, default=64, help="image height and width")
    parser.add_argument("--nocompiled", action="store_true", help="leave torch.compile out")
    parser.add_argument("--json", help="default: benchmarks/results/train_step.json, or …_MODEL.json")
    args = parser.parse_args()
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    rows = []
    for batch in map(int, args.batch.split(",")):
        images = rng.integers(0, 256, (batch, args.size, args.size, 3), np.uint8)
        labels = rng.integers(0, 7, batch, np.int32)
        half = args.precision == "bfloat16"
        torch_side = partial(TorchTraining, args.model, images, labels, half)
        runs = {
            "ferjax": FerjaxTraining(images, labels, args.precision, args.model),
            "torch eager": torch_side(channels_last=False, compiled=False),
            "torch eager, channels last": torch_side(channels_last=True, compiled=False),
        }
        if not args.nocompiled:
            runs["torch.compile, channels last"] = torch_side(channels_last=True, compiled=True)
        seconds = measure.interleaved(runs, args.rounds)
        title = f"training step, {args.model}, {args.size}×{args.size}, batch {batch}, {args.precision}"
        rows += measure.table(title, batch, seconds)
    measure.record("train_step", rows, PACKAGES, args.json or measure.path("train_step", args.model))


if __name__ == "__main__":
    main()
