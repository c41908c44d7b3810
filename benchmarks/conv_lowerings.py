"""Each lowering of a network's convolutions on a CPU, forwards and backwards: what `choose` rests on.

python -m benchmarks.conv_lowerings [--model resemotenet|se_resnet18] [--batch 16] [--rounds 5] [--json FILE]
"""

import argparse
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import measure
from ferjax.layers import conv_lowerings

# Height and width, input and output channels, kernel, stride.
LAYERS = {
    "resemotenet": (  # at 64×64
        (64, 3, 64, 3, 1),
        (32, 64, 128, 3, 1),
        (16, 128, 256, 3, 1),
        (8, 256, 512, 3, 2),
        (4, 512, 512, 3, 1),
        (4, 512, 1024, 3, 2),
        (2, 1024, 1024, 3, 1),
        (2, 1024, 2048, 3, 2),
    ),
    "se_resnet18": (  # at 224×224
        (224, 3, 64, 7, 2),
        (56, 64, 64, 3, 1),
        (56, 64, 128, 3, 2),
        (56, 64, 128, 1, 2),
        (28, 128, 128, 3, 1),
        (14, 256, 256, 3, 1),
        (14, 256, 512, 3, 2),
        (7, 512, 512, 3, 1),
    ),
}
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
    parser.add_argument("--model", default="resemotenet", choices=sorted(LAYERS))
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", help="default: benchmarks/results/conv_lowerings.json, or …_MODEL.json")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    rows = []
    for size, channels, features, taps, stride in LAYERS[args.model]:
        x = jnp.asarray(rng.normal(size=(args.batch, size, size, channels)), jnp.float32)
        kernel = jnp.asarray(rng.normal(size=(taps, taps, channels, features)), jnp.float32)
        window = conv_lowerings.Window(stride, ((taps // 2, taps // 2), (taps // 2, taps // 2)))
        for direction in ("forward", "backward"):
            runs = {
                name: _call(lowering, direction == "backward", x, kernel, window)
                for name, lowering in LOWERINGS.items()
            }
            title = f"{direction}, {size}×{size}, {channels} to {features}, {taps}×{taps}, stride {stride}"
            rows += measure.table(title, args.batch, measure.interleaved(runs, args.rounds))
    file = args.json or measure.path("conv_lowerings", args.model)
    measure.record("conv_lowerings", rows, ("jax", "jaxlib"), file)


if __name__ == "__main__":
    main()
