"""The formulations of the sampler, and PyTorch's grid_sample: what the limits of the layer rest on.

    python -m benchmarks.spatial_transformer [--batch 32] [--rounds 5] [--json FILE]

Forwards, and with the gradients by θ and by the images.
"""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch.nn import functional

from benchmarks import command_line, measure
from ferjax.layers import spatial_transformer

# Height and width, channels: SDL's two views, an image in colour, and feature maps of other networks.
SHAPES = ((48, 1), (24, 16), (12, 64), (24, 64), (112, 3))
FORMULATIONS = {"gather": spatial_transformer.by_gather, "products": spatial_transformer.by_products}


def _run(name: str, size: int, backward: bool, images: jax.Array, theta: jax.Array) -> measure.Run:
    def sample(images: jax.Array, theta: jax.Array) -> jax.Array:
        x, y = spatial_transformer.source_places(theta, (size, size), (size, size), False)
        return FORMULATIONS[name](images, x, y)

    def gradients(images: jax.Array, theta: jax.Array) -> tuple[jax.Array, ...]:
        samples, back = jax.vjp(sample, images, theta)
        return samples, *back(samples)

    run = jax.jit(gradients if backward else sample)
    return lambda: jax.block_until_ready(run(images, theta))


def _torch_run(backward: bool, images: np.ndarray, theta: np.ndarray) -> measure.Run:
    x = torch.tensor(images.transpose(0, 3, 1, 2), requires_grad=backward)
    t = torch.tensor(theta, requires_grad=backward)

    def run() -> None:
        grid = functional.affine_grid(t, list(x.shape), align_corners=False)
        samples = functional.grid_sample(x, grid, align_corners=False)
        if backward:
            torch.autograd.grad(samples, (x, t), samples.detach())

    return run


def main() -> None:
    """Measures and prints a table a shape and direction."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", default="benchmarks/results/spatial_transformer.json")
    args = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning, module="torch")
    rng = np.random.default_rng(0)
    rows = []
    for size, channels in SHAPES:
        images = rng.random((args.batch, size, size, channels), np.float32)
        theta = np.float32(np.eye(2, 3) + rng.normal(0, 0.2, (args.batch, 2, 3)))
        given = jnp.asarray(images), jnp.asarray(theta)
        for backward in (False, True):
            runs = {name: _run(name, size, backward, *given) for name in FORMULATIONS}
            runs["torch"] = _torch_run(backward, images, theta)
            title = (
                f"{'forward and gradients' if backward else 'forward'}, {size}×{size}, {channels} channels"
            )
            multiplications = size**4 * channels
            print(f"\n{multiplications:,} multiplications an image as products", end="")
            rows += measure.table(title, args.batch, measure.interleaved(runs, args.rounds))
    measure.record("spatial_transformer", rows, ("jax", "jaxlib", "torch"), args.json)


if __name__ == "__main__":
    main()
