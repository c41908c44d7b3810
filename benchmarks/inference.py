"""Inference: ferjax against PyTorch eager and torch.compile, interleaved in one process.

    python -m benchmarks.inference [--model resemotenet] [--size 64] [--batch 1,16,64] [--precision float32]
                                   [--rounds 15] [--nocompiled] [--json FILE]

Both sides take uint8 images that already lie on the device, normalise, and bring the logits to the host.
"""

import argparse
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import torch

from benchmarks import measure
from benchmarks.torch_side import TorchInference
from ferjax import models, steps
from ferjax.interop.torch_networks import NETWORKS

PACKAGES = ("jax", "jaxlib", "flax", "torch", "numpy")


class FerjaxInference:
    """`ferjax.steps.make_predict_step`, jitted."""

    def __init__(self, images: np.ndarray, precision: str, network: str) -> None:
        dtype = jnp.dtype(precision)
        model = models.create(network, dtype=dtype)
        self.variables = jax.jit(lambda: model.init(jax.random.key(0), jnp.zeros((1, *images.shape[1:]))))()
        self.predict = jax.jit(steps.make_predict_step(model, dtype))
        self.images = jax.device_put(images)

    def __call__(self) -> np.ndarray:
        """Logits on the host."""
        return np.asarray(self.predict(self.variables, self.images).astype(jnp.float32))


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="resemotenet", choices=sorted(NETWORKS))
    parser.add_argument("--batch", default="1,16,64", help="batch sizes, separated by commas")
    parser.add_argument("--precision", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--size", type=int, default=64, help="image height and width")
    parser.add_argument("--nocompiled", action="store_true", help="leave torch.compile out")
    parser.add_argument("--json", help="default: benchmarks/results/inference.json, or …_MODEL.json")
    args = parser.parse_args()
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    rows = []
    for batch in map(int, args.batch.split(",")):
        images = rng.integers(0, 256, (batch, args.size, args.size, 3), np.uint8)
        half = args.precision == "bfloat16"
        torch_side = partial(TorchInference, args.model, images, half)
        runs = {
            "ferjax": FerjaxInference(images, args.precision, args.model),
            "torch eager": torch_side(channels_last=False, compiled=False),
            "torch eager, channels last": torch_side(channels_last=True, compiled=False),
        }
        if not args.nocompiled:
            runs["torch.compile, channels last"] = torch_side(channels_last=True, compiled=True)
        seconds = measure.interleaved(runs, args.rounds)
        title = f"inference, {args.model}, {args.size}×{args.size}, batch {batch}, {args.precision}"
        rows += measure.table(title, batch, seconds)
    measure.record("inference", rows, PACKAGES, args.json or measure.path("inference", args.model))


if __name__ == "__main__":
    main()
