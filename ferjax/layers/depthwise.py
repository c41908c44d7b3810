"""Depthwise convolution: each channel has a kernel of its own."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.typing import Dtype, Initializer
from jax import lax
from jaxtyping import Array, Float

from ferjax.layers.init import uniform_fan_in

Pads = tuple[tuple[int, int], tuple[int, int]]

# Kernels of more taps are computed row by row: unrolled, a network of many would compile for minutes.
_UNROLLED = 9


def depthwise_conv2d(
    x: Float[Array, "B H W C"],
    kernel: Float[Array | np.ndarray, "kh kw 1 C"],
    stride: int = 1,
    pads: Pads = ((0, 0), (0, 0)),
) -> Float[Array, "B H2 W2 C"]:
    """Cross-correlates each channel with its own kernel.

    On a CPU it is the sum of shifted products, which XLA fuses. `ferjax.layers.separable` has TensorFlow's
    "same" padding, which differs from PyTorch's where the stride is 2.

    Args:
        x: feature maps.
        kernel: of the dtype of `x`.
        stride: step of the window on both axes.
        pads: zeros before and after the rows, and the columns.

    Returns:
        Feature maps of height H2 = (H + zeros − kh) // stride + 1, and likewise of width W2.
    """
    kernel = jnp.asarray(kernel)
    if x.shape[1:3] == kernel.shape[:2] and not any(map(any, pads)):
        return (x * kernel[:, :, 0]).sum(axis=(1, 2), keepdims=True)

    def on_cpu(x: Array, kernel: Array) -> Array:
        padded = jnp.pad(x, ((0, 0), *pads, (0, 0)))
        if kernel.shape[0] * kernel.shape[1] <= _UNROLLED:
            return _unrolled(padded, kernel, stride)
        return _by_rows(padded, kernel, stride)

    def elsewhere(x: Array, kernel: Array) -> Array:
        return lax.conv_general_dilated(
            *(x, kernel, (stride, stride), pads),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=x.shape[-1],
        )

    return lax.platform_dependent(x, kernel, cpu=on_cpu, default=elsewhere)


def _windows(length: int, taps: int, stride: int) -> int:
    return (length - taps) // stride + 1


def _spread(first: int, count: int, stride: int) -> slice:
    """Returns the places of one tap in all windows."""
    return slice(first, first + (count - 1) * stride + 1, stride)


def _unrolled(padded: Array, kernel: Array, stride: int) -> Array:
    rows, columns = (_windows(padded.shape[axis + 1], kernel.shape[axis], stride) for axis in (0, 1))
    wide = _wide(padded)
    out = jnp.zeros((), wide)
    for row in range(kernel.shape[0]):
        for column in range(kernel.shape[1]):
            window = padded[:, _spread(row, rows, stride), _spread(column, columns, stride)]
            out = out + window.astype(wide) * kernel[row, column, 0].astype(wide)
    return out.astype(padded.dtype)


def _wide(x: Array) -> Dtype:
    """Returns the dtype to add in: so many terms would be rounded to bfloat16."""
    return jnp.promote_types(x.dtype, jnp.float32)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _by_rows(padded: Array, kernel: Array, stride: int) -> Array:
    """Adds up the kernel's rows one after another; the columns of each are unrolled."""
    height, width = kernel.shape[:2]
    rows, columns = _windows(padded.shape[1], height, stride), _windows(padded.shape[2], width, stride)
    wide = _wide(padded)

    def body(row: Array, out: Array) -> Array:
        band = _band(padded, row, rows, stride).astype(wide)
        weights = lax.dynamic_index_in_dim(kernel, row, 0, keepdims=False).astype(wide)
        for column in range(width):
            out = out + band[:, :, _spread(column, columns, stride)] * weights[column, 0]
        return out

    start = jnp.zeros((padded.shape[0], rows, columns, padded.shape[3]), wide)
    return lax.fori_loop(0, height, body, start).astype(padded.dtype)


def _band(padded: Array, row: Array, rows: int, stride: int) -> Array:
    """Cuts out what one row of the kernel meets in all windows."""
    reach = (rows - 1) * stride + 1
    return lax.dynamic_slice_in_dim(padded, row, reach, axis=1)[:, ::stride]


def _forward(padded: Array, kernel: Array, stride: int) -> tuple[Array, tuple[Array, Array]]:
    return _by_rows(padded, kernel, stride), (padded, kernel)


def _backward(stride: int, kept: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    padded, kernel = kept
    height, width = kernel.shape[:2]
    rows, columns = gradient.shape[1:3]
    wide = _wide(gradient)

    def of_row(row: Array) -> Array:
        band = _band(padded, row, rows, stride)
        products = (
            (band[:, :, _spread(column, columns, stride)] * gradient).sum(axis=(0, 1, 2), dtype=wide)
            for column in range(width)
        )
        return jnp.stack(list(products))[:, None]

    by_kernel = lax.map(of_row, jnp.arange(height)).astype(kernel.dtype)
    # The gradient by the image is the same operation on the result's, with the kernel turned round.
    edges = [
        (taps - 1, length - (count - 1) * stride - 1, stride - 1)
        for taps, length, count in zip((height, width), padded.shape[1:3], (rows, columns), strict=True)
    ]
    spread = lax.pad(gradient, jnp.zeros((), gradient.dtype), [(0, 0, 0), *edges, (0, 0, 0)])
    return _by_rows(spread, kernel[::-1, ::-1], 1), by_kernel


_by_rows.defvjp(_forward, _backward)


class DepthwiseConv(nn.Module):
    """A depthwise convolution without bias.

    Attributes:
        kernel_size: k, of both axes, or (rows, columns).
        stride: step on both axes.
        padding: zeros on all four sides.
        dtype: compute dtype, the input's if None; the kernel stays float32.
        kernel_init: of the kernel; PyTorch's default U(±1/k) if None.
    """

    kernel_size: int | tuple[int, int]
    stride: int = 1
    padding: int = 0
    dtype: Dtype | None = None
    kernel_init: Initializer | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"]) -> Float[Array, "B H2 W2 C"]:
        """Convolves; see `depthwise_conv2d`."""
        size = self.kernel_size
        height, width = (size, size) if isinstance(size, int) else size
        dtype, init = self.dtype or x.dtype, self.kernel_init or uniform_fan_in(height * width)
        kernel = self.param("kernel", init, (height, width, 1, x.shape[-1]), jnp.float32)
        pads = ((self.padding, self.padding), (self.padding, self.padding))
        return depthwise_conv2d(x.astype(dtype), kernel.astype(dtype), self.stride, pads)
