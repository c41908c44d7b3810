"""Each lowering of ResEmoteNet's convolutions on a CPU, forwards and backwards: what `choose` rests on.

python -m benchmarks.conv_lowerings [--batch 16] [--rounds 5] [--json FILE]
"""

import argparse
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import measure
from ferjax.layers import conv_lowerings

# Height and width, input and output channels, stride: ResEmoteNet's 3×3 convolutions at 64×64.
LAYERS = (
    (64, 3, 64, 1),
    (32, 64, 128, 1),
    (16, 128, 256, 1),
    (8, 256, 512, 2),
    (4, 512, 512, 1),
    (4, 512, 1024, 2),
    (2, 1024, 1024, 1),
    (2, 1024, 2048, 2),
)
LOWERINGS = {
    "chosen": conv_lowerings.cpu,
    "xla": conv_lowerings.xla,
    "patches": conv_lowerings.patches,
}


def _call(lowering, backward: bool, x: jax.Array, kernel: jax.Array, window: conv_lowerings.Window):
    forward = partial(lowering, window=window)
    if not backward:
        run = jax.jit(forward)
        return lambda: jax.block_until_ready(run(x, kernel))
    run = jax.jit(lambda x, kernel, dy: jax.vjp(forward, x, kernel)[1](dy))
    dy = jnp.ones_like(forward(x, kernel))
    return lambda: jax.block_until_ready(run(x, kernel, dy))


def main() -> None:
    """Measures and prints a table a layer and direction."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", default="benchmarks/results/conv_lowerings.json")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    rows = []
    for size, channels, features, stride in LAYERS:
        x = jnp.asarray(rng.normal(size=(args.batch, size, size, channels)), jnp.float32)
        kernel = jnp.asarray(rng.normal(size=(3, 3, channels, features)), jnp.float32)
        window = conv_lowerings.Window(stride, ((1, 1), (1, 1)))
        for direction in ("forward", "backward"):
            runs = {
                name: _call(lowering, direction == "backward", x, kernel, window)
                for name, lowering in LOWERINGS.items()
            }
            title = f"{direction}, {size}×{size}, {channels} to {features}, stride {stride}"
            rows += measure.table(title, args.batch, measure.interleaved(runs, args.rounds))
    measure.record("conv_lowerings", rows, ("jax", "jaxlib"), args.json)


if __name__ == "__main__":
    main()
