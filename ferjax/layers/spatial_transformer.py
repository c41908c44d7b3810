"""Spatial transformers: a small network looks at an image and chooses an affine view of it.

Jaderberg et al., Spatial transformer networks, NeurIPS 2015: localisation network, grid, bilinear sampler.
The sampler gives what PyTorch's `affine_grid` and `grid_sample` with zero padding give.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.typing import Dtype, Initializer
from jax import lax
from jaxtyping import Array, Float

from ferjax.errors import UserError
from ferjax.layers.conv import Conv
from ferjax.layers.flatten import flatten_channels_first
from ferjax.layers.linear import Linear
from ferjax.layers.norm import BatchNorm
from ferjax.layers.pooling import max_pool_2x2

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
# TPUs, which are slow at gathers and scatters, sample by matrix products up to this many multiplications an
# image; the memory that these need sets the limit. CPUs and GPUs always gather: see
# benchmarks/spatial_transformer.py.
TPU_PRODUCTS = 2**28


def affine_sample(
    images: Float[Array | np.ndarray, "..."],
    theta: Float[Array | np.ndarray, "..."],
    out_hw: tuple[int, int],
    align_corners: bool = False,
) -> Float[Array, "B {out_hw[0]} {out_hw[1]} C"]:
    """Samples each image bilinearly at an affine grid; outside the image everything is 0.

    The source of output place (x, y) is θ · (x, y, 1); both sides run from −1 to 1. Where a source lies on a
    pixel exactly, as everywhere under the identity, the derivative is that towards the next pixel, as in
    PyTorch; there the identity gives the image back in every bit.

    >>> mirror, row = jnp.array([[[-1.0, 0, 0], [0, 1, 0]]]), jnp.arange(4.0).reshape(1, 1, 4, 1)
    >>> affine_sample(row, mirror, (1, 4)).ravel()
    Array([3., 2., 1., 0.], dtype=float32)

    Args:
        images: float `[B, H, W, C]`.
        theta: float `[B, 2, 3]`; the grid is computed in float32, or in float64 if `theta` is.
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
    _, height, width, channels = images.shape
    x, y = source_places(theta, (height, width), out_hw, align_corners)
    multiplications = x.shape[1] * images[0].size
    on_tpu = by_products if multiplications <= TPU_PRODUCTS else by_gather
    samples = lax.platform_dependent(images, x, y, tpu=on_tpu, default=by_gather)
    return samples.reshape(images.shape[0], *out_hw, channels)


def source_places(
    theta: Float[Array | np.ndarray, "B 2 3"],
    in_hw: tuple[int, int],
    out_hw: tuple[int, int],
    align_corners: bool,
) -> tuple[Float[Array, "B P"], Float[Array, "B P"]]:
    """Computes where each of P = h·w output pixels reads: x and y, in input pixels from the image's centre.

    They count from the centre, because there half-integers are exact and rounding errors half as large.
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
    """Multiplies an axis's normalised coordinates by `unit`; divides last, so that whole pixels are exact."""
    odd = 2 * np.arange(steps) + 1 - steps
    return odd * unit / (max(steps - 1, 1) if align_corners else steps)


def _neighbour(place: Array, size: int) -> tuple[Array, Array]:
    """Finds the pixel before each place and the share of the way to the next one.

    The pixel lies between −2 and `size`, where neither it nor the next one is inside.
    """
    centre = (size - 1) / 2
    first = jnp.clip(jnp.floor(place + centre), -2, size)
    return first.astype(jnp.int32), place - lax.stop_gradient(first - centre)


def by_products(
    images: Float[Array, "B H W C"], x: Float[Array, "B P"], y: Float[Array, "B P"]
) -> Float[Array, "B P C"]:
    """Sums over all pixels, weighted by max(0, 1 − |x − m|) · max(0, 1 − |y − n|), as two matrix products.

    Under a general θ both weights depend on both output coordinates: they are matrices of output pixels ×
    columns and × rows. Either the rows are summed first, for all columns and channels, or the two weights
    are multiplied first, whichever leaves the smaller array between. There is no gather forwards, and no
    scatter backwards.

    Args:
        images: what is sampled.
        x: see `source_places`.
        y: likewise.

    Returns:
        Samples, the dtype of `images`.

    References:
        Khan et al., 2023, equation 3; Jaderberg et al., 2015, equation 5.
    """
    _, height, width, channels = images.shape
    # bfloat16 images may be multiplied in bfloat16; others must not be rounded to it.
    exact = None if images.dtype == jnp.bfloat16 else lax.Precision.HIGHEST
    rows, columns = (_weights(place, size).astype(images.dtype) for place, size in ((y, height), (x, width)))
    if channels < height:
        summed = jnp.einsum("bpn,bnmc->bpmc", rows, images, precision=exact)
        return jnp.einsum("bpm,bpmc->bpc", columns, summed, precision=exact)
    weights = rows[..., :, None] * columns[..., None, :]
    return jnp.einsum("bpnm,bnmc->bpc", weights, images, precision=exact)


def _weights(place: Array, size: int) -> Array:
    """Computes max(0, 1 − |place − pixel|) for every pixel of an axis: `[B, P, size]`."""
    first, share = (values[..., None] for values in _neighbour(place, size))
    pixel = jnp.arange(size)
    return jnp.where(pixel == first, 1 - share, 0) + jnp.where(pixel == first + 1, share, 0)


def by_gather(
    images: Float[Array, "B H W C"], x: Float[Array, "B P"], y: Float[Array, "B P"]
) -> Float[Array, "B P C"]:
    """Blends the four neighbours of each place; arguments and result as in `by_products`."""
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
    """Chooses θ by a localisation network, and gives the view of its own input under θ, at the same size.

    The localisation network is (convolution → 2×2 max pool → ReLU) several times, then two linear layers;
    with `norm` each convolution is batch-normalised. The last layer starts with zero weights and the identity
    as its bias: every image starts unmoved. θ is computed in float32 whatever `dtype` is, for with eight bits
    it would move the grid by pixels.

    θ and the view are sown as `intermediates/theta` and `intermediates/view` for explanations.

    Attributes:
        features: output channels of each convolution.
        kernel_sizes: of each convolution.
        same_size: whether convolutions pad, so that only pools make the image smaller.
        hidden: outputs of the first linear layer.
        norm: whether convolutions are normalised.
        align_corners: of the view, see `affine_sample`.
        kernel_init: of all weights but the last layer's; biases are 0 then. PyTorch's defaults if None.
        dtype: compute dtype.
    """

    features: tuple[int, ...]
    kernel_sizes: tuple[int, ...]
    same_size: bool = True
    hidden: int = 32
    norm: bool = False
    align_corners: bool = False
    kernel_init: Initializer | None = None
    dtype: Dtype | None = None

    @nn.compact
    def __call__(
        self, images: Float[Array | np.ndarray, "B H W C"], train: bool = False
    ) -> Float[Array, "B H W C"]:
        """Shows the view of each image; `train` is read where convolutions are normalised."""
        init = {"kernel_init": self.kernel_init, "bias_init": self.kernel_init and nn.initializers.zeros}
        x = images = jnp.asarray(images)
        layers = zip(self.features, self.kernel_sizes, strict=True)
        for layer, (features, size) in enumerate(layers, start=1):
            padding = size // 2 if self.same_size else 0
            x = Conv(features, size, padding=padding, dtype=self.dtype, name=f"conv{layer}", **init)(x)
            if self.norm:
                x = BatchNorm(name=f"bn{layer}")(x, train)
            x = nn.relu(max_pool_2x2(x))
        x = nn.relu(Linear(self.hidden, dtype=self.dtype, name="fc1", **init)(flatten_channels_first(x)))
        theta = Linear(
            6,
            dtype=jnp.promote_types(x.dtype, jnp.float32),
            kernel_init=nn.initializers.zeros,
            bias_init=lambda key, shape, dtype: jnp.array(IDENTITY, dtype),
            name="fc2",
        )(x).reshape(-1, 2, 3)
        view = affine_sample(images, theta, (images.shape[1], images.shape[2]), self.align_corners)
        self.sow("intermediates", "theta", theta)
        self.sow("intermediates", "view", view)
        return view
