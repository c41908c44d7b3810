"""Spatial transformers: a small network looks at an image and decides where to look closer.

Jaderberg et al., Spatial transformer networks, NeurIPS 2015: localisation network, grid, bilinear sampler.
The sampler gives what PyTorch's `affine_grid` and `grid_sample` with zero padding give.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.typing import Dtype, Initializer
from jax import Array, lax

from ferjax.errors import UserError
from ferjax.layers.conv import Conv
from ferjax.layers.flatten import flatten_channels_first
from ferjax.layers.linear import Linear
from ferjax.layers.pooling import max_pool_2x2

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
# Multiplications an image up to which TPUs, which are slow at gathers and scatters, take matrix products; set
# by the memory that these need. CPUs and GPUs always gather: see benchmarks/spatial_transformer.py.
TPU_PRODUCTS = 2**28


def affine_sample(images: Array, theta: Array, out_hw: tuple[int, int], align_corners: bool = False) -> Array:
    """Bilinear samples of each image at an affine grid; outside the image everything is 0.

    The source of output place (x, y) is θ · (x, y, 1); both sides run from −1 to 1. Where a source lies on a
    pixel exactly, as everywhere under the identity, the derivative is that towards the next pixel, as in
    PyTorch; there the identity gives the image back in every bit.

    Args:
        images: float `[B, H, W, C]`.
        theta: float `[B, 2, 3]`; computed with in float32, or float64 if it is.
        out_hw: rows and columns of the result, `(h, w)`.
        align_corners: whether −1 and 1 are the centres of the outermost pixels; their outer edges if not.

    Returns:
        `[B, h, w, C]`, the dtype of `images`.

    Raises:
        UserError: the shapes do not fit.

    References:
        Jaderberg et al., 2015, equations 1 and 5; Khan et al., 2023, equations 2 and 3.
    """
    if images.ndim != 4 or theta.shape != (images.shape[0], 2, 3):
        raise UserError(
            "affine_sample takes images [B, H, W, C] and theta [B, 2, 3], "
            f"not {list(images.shape)} and {list(theta.shape)}"
        )
    if min(out_hw) < 1:
        raise UserError(f"affine_sample gives at least 1×1 pixels, not {out_hw[0]}×{out_hw[1]}")
    x, y = source_places(theta, images.shape[1:3], out_hw, align_corners)
    multiplications = x.shape[1] * images[0].size
    on_tpu = by_products if multiplications <= TPU_PRODUCTS else by_gather
    samples = lax.platform_dependent(images, x, y, tpu=on_tpu, default=by_gather)
    return samples.reshape(images.shape[0], *out_hw, images.shape[-1])


def source_places(
    theta: Array, in_hw: tuple[int, int], out_hw: tuple[int, int], align_corners: bool
) -> tuple[Array, Array]:
    """Where each output pixel reads: x and y, `[B, h·w]`, in input pixels from the image's centre.

    From the centre, because there half-integers are exact and rounding errors half as large.
    """
    theta = theta.astype(jnp.promote_types(theta.dtype, jnp.float32))
    places = []
    for row, size in ((theta[:, 0], in_hw[1]), (theta[:, 1], in_hw[0])):
        unit = (size - 1) / 2 if align_corners else size / 2  # pixels from the centre to 1
        down, across = (_scaled(steps, unit, align_corners) for steps in out_hw)
        a, b, c = row[:, :, None, None].swapaxes(0, 1)
        grid = a * jnp.asarray(across, theta.dtype) + b * jnp.asarray(down, theta.dtype)[:, None] + c * unit
        places.append(grid.reshape(theta.shape[0], -1))
    return places[0], places[1]


def _scaled(steps: int, unit: float, align_corners: bool) -> np.ndarray:
    """`unit` times an axis's normalised coordinates; divided last, so that whole pixels come out exact."""
    odd = 2 * np.arange(steps) + 1 - steps
    return odd * unit / (max(steps - 1, 1) if align_corners else steps)


def _neighbour(place: Array, size: int) -> tuple[Array, Array]:
    """The pixel before each place, from −2 to `size` (no neighbour is inside), and the way to the next."""
    centre = (size - 1) / 2
    first = jnp.clip(jnp.floor(place + centre), -2, size)
    return first.astype(jnp.int32), place - lax.stop_gradient(first - centre)


def by_products(images: Array, x: Array, y: Array) -> Array:
    """Sums over all pixels, weighted by max(0, 1 − |x − m|) · max(0, 1 − |y − n|), as two matrix products.

    Under a general θ both weights depend on both output coordinates, so the weights of an image are a matrix
    a row of pixels, not a row. Either the rows are summed first, for all columns and channels, or the two
    weights are multiplied first: whichever leaves the smaller array between. No gather forwards, no scatter
    backwards.

    Args:
        images: `[B, H, W, C]`.
        x: `[B, P]`, see `source_places`.
        y: likewise.

    Returns:
        `[B, P, C]`, the dtype of `images`.

    References:
        Khan et al., 2023, equation 3; Jaderberg et al., 2015, equation 5.
    """
    _, height, width, channels = images.shape
    # What bfloat16 is given, it may be multiplied in; float32 is meant.
    exact = None if images.dtype == jnp.bfloat16 else lax.Precision.HIGHEST
    rows, columns = (_weights(place, size).astype(images.dtype) for place, size in ((y, height), (x, width)))
    if channels < height:
        summed = jnp.einsum("bpn,bnmc->bpmc", rows, images, precision=exact)
        return jnp.einsum("bpm,bpmc->bpc", columns, summed, precision=exact)
    weights = rows[..., :, None] * columns[..., None, :]
    return jnp.einsum("bpnm,bnmc->bpc", weights, images, precision=exact)


def _weights(place: Array, size: int) -> Array:
    """max(0, 1 − |place − pixel|) of every pixel of an axis: `[B, P, size]`."""
    first, share = (values[..., None] for values in _neighbour(place, size))
    pixel = jnp.arange(size)
    return jnp.where(pixel == first, 1 - share, 0) + jnp.where(pixel == first + 1, share, 0)


def by_gather(images: Array, x: Array, y: Array) -> Array:
    """The four neighbours of each place, blended; arguments and result as `by_products`."""
    batch, height, width, channels = images.shape
    (left, right_share), (top, bottom_share) = _neighbour(x, width), _neighbour(y, height)
    flat = images.reshape(batch, height * width, channels)
    take = jax.vmap(lambda image, places: image.at[places].get(mode="promise_in_bounds"))

    def pixels(row: Array, column: Array) -> Array:
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        places = jnp.clip(row, 0, height - 1) * width + jnp.clip(column, 0, width - 1)
        return jnp.where(inside[..., None], take(flat, places), 0)

    def row(number: Array) -> Array:
        share = right_share[..., None]
        return (1 - share) * pixels(number, left) + share * pixels(number, left + 1)

    share = bottom_share[..., None]
    return ((1 - share) * row(top) + share * row(top + 1)).astype(images.dtype)


class SpatialTransformer(nn.Module):
    """A localisation network that chooses θ, and the view of its own input that θ gives, at the same size.

    The localisation network is (convolution → 2×2 max pool → ReLU) several times, then two linear layers. The
    last one starts with zero weights and the identity as its bias: every image starts unmoved. θ is computed
    in float32 whatever `dtype` is, for with eight bits it would move the grid by pixels.

    θ and the view are sown as `intermediates/theta` and `intermediates/view` for explanations.

    Attributes:
        features: output channels of each convolution.
        kernel_sizes: of each convolution.
        same_size: whether convolutions pad, so that only pools make the image smaller.
        hidden: outputs of the first linear layer.
        kernel_init: of all weights but the last layer's; biases are 0 then. PyTorch's defaults if None.
        dtype: compute dtype.
    """

    features: tuple[int, ...]
    kernel_sizes: tuple[int, ...]
    same_size: bool = True
    hidden: int = 32
    kernel_init: Initializer | None = None
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Array) -> Array:
        """`[B, H, W, C]` to `[B, H, W, C]`."""
        init = {"kernel_init": self.kernel_init, "bias_init": self.kernel_init and nn.initializers.zeros}
        x = images
        layers = zip(self.features, self.kernel_sizes, strict=True)
        for layer, (features, size) in enumerate(layers, start=1):
            padding = size // 2 if self.same_size else 0
            x = Conv(features, size, padding=padding, dtype=self.dtype, name=f"conv{layer}", **init)(x)
            x = nn.relu(max_pool_2x2(x))
        x = nn.relu(Linear(self.hidden, dtype=self.dtype, name="fc1", **init)(flatten_channels_first(x)))
        theta = Linear(
            6,
            dtype=jnp.promote_types(x.dtype, jnp.float32),
            kernel_init=nn.initializers.zeros,
            bias_init=lambda key, shape, dtype: jnp.array(IDENTITY, dtype),
            name="fc2",
        )(x).reshape(-1, 2, 3)
        view = affine_sample(images, theta, images.shape[1:3])
        self.sow("intermediates", "theta", theta)
        self.sow("intermediates", "view", view)
        return view
