"""Each lowering of a network's convolutions on a CPU, forwards and backwards: what `choose` rests on.

    python -m benchmarks.conv_lowerings [--model resemotenet] [--size 64] [--batch 16] [--rounds 5]
                                        [--json FILE]

The layers are the network's own: every different square convolution once, with how often it occurs. Backwards
is both gradients. Processor time stands beside the time, because some of these run on one thread. Where
XLA_FLAGS name YNNPACK's part (`ferjax.platform.xla_flags`), they stand: so the same layers are measured with
it.
"""

import statistics
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import command_line, measure
from ferjax import models
from ferjax.layers.conv import Conv
from ferjax.layers.cpu import conv_lowerings
from ferjax.platform import process

LOWERINGS = {
    "chosen": conv_lowerings.cpu,
    "xla": conv_lowerings.xla,
    "patches": conv_lowerings.patches,
}


class Layer(NamedTuple):
    """A square convolution of square images: height, channels in and out, kernel, stride and padding."""

    size: int
    channels: int
    features: int
    taps: int
    stride: int
    padding: int

    def __str__(self) -> str:
        return (
            f"{self.size}×{self.size}, {self.channels} to {self.features}, {self.taps}×{self.taps}, "
            f"stride {self.stride}"
        )


def layers_of(network: str, size: int) -> Counter[Layer]:
    """The square convolutions of a network and how often each occurs, in the network's order."""
    found: Counter[Layer] = Counter()

    def note(call: Callable, args: tuple, kwargs: dict, context: nn.module.InterceptorContext) -> Any:
        layer = context.module
        if isinstance(layer, Conv) and isinstance(layer.kernel_size, int):
            _, height, _, channels = args[0].shape
            sizes = layer.kernel_size, layer.stride, layer.padding
            found[Layer(height, channels, layer.features, *sizes)] += 1
        return call(*args, **kwargs)

    model = models.create(network)
    with nn.intercept_methods(note):
        jax.eval_shape(partial(model.init, train=False), jax.random.key(0), jnp.zeros((1, size, size, 3)))
    return found


def _call(
    lowering: conv_lowerings.Lowering,
    backward: bool,
    x: jax.Array,
    kernel: jax.Array,
    window: conv_lowerings.Window,
) -> measure.Run:
    forward = partial(lowering, window=window)
    if not backward:
        run = jax.jit(forward)
        return lambda: jax.block_until_ready(run(x, kernel))
    run = jax.jit(lambda x, kernel, dy: jax.vjp(forward, x, kernel)[1](dy))
    dy = jnp.ones_like(forward(x, kernel))
    return lambda: jax.block_until_ready(run(x, kernel, dy))


def measured(layer: Layer, times: int, batch: int, rounds: int) -> list[dict]:
    """Prints a table for each direction; returns the rows of the record."""
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(batch, layer.size, layer.size, layer.channels)), jnp.float32)
    shape = (layer.taps, layer.taps, layer.channels, layer.features)
    kernel = jnp.asarray(rng.normal(size=shape), jnp.float32)
    window = conv_lowerings.Window(layer.stride, ((layer.padding, layer.padding),) * 2)
    lowerings = dict(LOWERINGS)
    if (layer.taps, layer.stride) == (3, 1):
        lowerings["winograd"] = conv_lowerings.winograd
    if layer.stride == 1 and layer.channels <= conv_lowerings.FEW_CHANNELS:
        lowerings["pairs"] = conv_lowerings.pairs
    rows = []
    for direction in ("forward", "backward"):
        runs = {
            name: _call(lowering, direction == "backward", x, kernel, window)
            for name, lowering in lowerings.items()
        }
        found = measure.table(f"{direction}, {layer}", batch, measure.interleaved(runs, rounds))
        processor = measure.interleaved(runs, rounds, clock=time.process_time)
        for row in found:
            row["times"], row["processor_seconds"] = times, statistics.median(processor[row["run"]])
            print(f"{row['run']:32s} {1e3 * row['processor_seconds']:10.1f} ms of processor time")
        rows += found
    return rows


def main() -> None:
    """Measures and prints a table a layer and direction."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--model", default="resemotenet", choices=models.names())
    parser.add_argument("--size", type=int, default=64, help="image height and width")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", help="default: benchmarks/results/conv_lowerings.json, or …_MODEL.json")
    args = parser.parse_args()
    process.prepare()
    rows = []
    for layer, times in layers_of(args.model, args.size).items():
        rows += measured(layer, times, args.batch, args.rounds)
    file = args.json or measure.path("conv_lowerings", args.model)
    measure.record("conv_lowerings", rows, ("jax", "jaxlib"), file)


if __name__ == "__main__":
    main()
