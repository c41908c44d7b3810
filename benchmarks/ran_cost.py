"""What RAN costs in forward passes of its backbone: operations by the compiler's count, and time.

    python -m benchmarks.ran_cost [--batch 16] [--size 48,224] [--rounds 7] [--json FILE]

The backbone alone sees B images, then as many as RAN has regions, 7·B; RAN sees B. Backwards is the gradient
of the mean squared logit in training mode.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import command_line, measure
from ferjax import models
from ferjax.layers.regions import REGIONS
from ferjax.models.ran import RAN

PACKAGES = ("jax", "jaxlib", "flax", "numpy")


class Pass:
    """A compiled pass of a network with initial weights.

    Args:
        name: of the network.
        num_classes: 0 for a backbone.
        images: float32 `[B, H, W, 3]`.
        train: forwards and backwards; else forwards in evaluation mode.
    """

    def __init__(self, name: str, num_classes: int, images: np.ndarray, train: bool) -> None:
        model = models.create(name, num_classes=num_classes)
        self.images = jax.device_put(images)
        variables = jax.jit(model.init)(jax.random.key(0), images[:1])
        self.variables = {key: variables[key] for key in ("params", "batch_stats")}

        def forward(variables: Any, images: jax.Array) -> jax.Array:
            return model.apply(variables, images)

        def backward(variables: Any, images: jax.Array) -> Any:
            def loss(params: Any) -> jax.Array:
                logits, _ = model.apply(
                    {**variables, "params": params}, images, train=True, mutable=["batch_stats"]
                )
                return jnp.square(logits).mean()

            return jax.grad(loss)(variables["params"])

        function: Callable = backward if train else forward
        self.compiled = jax.jit(function).lower(self.variables, self.images).compile()

    @property
    def flops(self) -> float:
        """Floating-point operations of one call, by the compiler's count."""
        return self.compiled.cost_analysis()["flops"]

    def __call__(self) -> None:
        """One pass; returns when it is done."""
        jax.block_until_ready(self.compiled(self.variables, self.images))


def main() -> None:
    """Measures and prints a table for each image size."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", default="48,224", help="image heights and widths, separated by commas")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", default="benchmarks/results/ran.json")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    rows = []
    for size in map(int, args.size.split(",")):
        many = rng.normal(size=(len(REGIONS) * args.batch, size, size, 3)).astype(np.float32)
        few = many[: args.batch]
        for train in (False, True):
            runs = {
                f"{RAN.backbone}, B images": Pass(RAN.backbone, 0, few, train),
                f"{RAN.backbone}, {len(REGIONS)}·B images": Pass(RAN.backbone, 0, many, train),
                "ran, B images": Pass("ran", 7, few, train),
            }
            what = "forwards and backwards" if train else "forwards"
            title = f"{what}, B = {args.batch}, {size}×{size}; times the backbone's pass"
            found = measure.table(title, args.batch, measure.interleaved(runs, args.rounds))
            base = next(iter(runs.values())).flops
            for row, run in zip(found, runs.values(), strict=True):
                row["flops"], row["passes"] = run.flops, run.flops / base
                print(f"{row['run']:32s} {row['passes']:.3f} passes by operations")
            rows += found
    measure.record("ran", rows, PACKAGES, args.json)


if __name__ == "__main__":
    main()
