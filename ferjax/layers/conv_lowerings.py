"""A convolution for CPUs, its three products written as what is fastest by shape.

XLA's CPU convolution, by Eigen (`ferjax.xla_flags`), is near the machine's peak forwards, wherever the image
is larger than a few pixels, and so is its gradient by the kernel. Its gradient by the image is not, and
nothing of it is at 1×1 and 2×2 pixels with thousands of channels, where ResEmoteNet's last layers are. There
the same sums are written as matrix products; `benchmarks/conv_lowerings.py` measures each against the others.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax


class Window(NamedTuple):
    """Stride of both axes and ((top, bottom), (left, right)) zeros; a negative count crops."""

    stride: int
    pads: tuple[tuple[int, int], tuple[int, int]]


Lowering = Callable[[Array, Array, Window], Array]

# Images of at most this many pixels, with at least this many channels, go through patches.
FEW_PIXELS, MANY_CHANNELS = 64, 128
# Images of at most this many pixels give the kernel's gradient by one product a tap.
TINY_PIXELS = 4
# Up to this many output pixels in the whole batch, a trimmed kernel is read tap by tap.
FEW_ROWS = 8


def choose(image: tuple[int, ...], kernel: tuple[int, ...], window: Window) -> Lowering:
    """The fastest forward lowering on x86-64.

    Args:
        image: `[B, H, W, C]`.
        kernel: `[kh, kw, C, O]`.
        window: stride and padding.
    """
    few = image[1] * image[2] <= FEW_PIXELS
    pointwise = kernel[0] == kernel[1] == 1
    return patches if pointwise or (few and kernel[2] >= MANY_CHANNELS) else xla


def xla(x: Array, kernel: Array, window: Window) -> Array:
    """XLA's convolution: `[B, H, W, C]` and `[kh, kw, C, O]` to `[B, H', W', O]`."""
    return lax.conv_general_dilated(
        x,
        kernel,
        (window.stride, window.stride),
        window.pads,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def patches(x: Array, kernel: Array, window: Window) -> Array:
    """All patches side by side, then one matrix product; the same shapes as `xla`."""
    columns = jnp.concatenate(list(_views(x, kernel.shape, window)), axis=-1)
    return columns @ kernel.reshape(-1, kernel.shape[-1])


def tap_by_tap(x: Array, kernel: Array, window: Window, rows: range, columns: range) -> Array:
    """One product a tap, each tap read straight from the whole kernel.

    For a handful of output pixels: there, copying the taps that meet the image out of a large kernel costs
    several times what the products do.

    Args:
        x: `[B, H, W, C]`.
        kernel: `[kh, kw, C, O]`, whole.
        window: of the taps in `rows` and `columns`.
        rows: those that meet the image.
        columns: likewise.
    """
    views = jnp.stack(list(_views(x, (len(rows), len(columns)), window)))
    taps = jnp.array([row * kernel.shape[1] + column for row in rows for column in columns])
    flat = kernel.reshape(-1, *kernel.shape[2:])

    def add(total: Array, item: tuple[Array, Array]) -> tuple[Array, None]:
        view, tap = item
        return total + view @ lax.dynamic_index_in_dim(flat, tap, keepdims=False), None

    zeros = jnp.zeros((*views.shape[1:-1], kernel.shape[-1]), x.dtype)
    return lax.scan(add, zeros, (views, taps))[0]


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def cpu(x: Array, kernel: Array, window: Window) -> Array:
    """The chosen forward lowering with gradients that are matrix products too; the same shapes as `xla`."""
    return choose(x.shape, kernel.shape, window)(x, kernel, window)


def _forward(x: Array, kernel: Array, window: Window) -> tuple[Array, tuple[Array, Array]]:
    return cpu(x, kernel, window), (x, kernel)


def _backward(window: Window, inputs: tuple[Array, Array], dy: Array) -> tuple[Array, Array]:
    x, kernel = inputs
    return image_gradient(x, kernel, dy, window), kernel_gradient(x, kernel, dy, window)


cpu.defvjp(_forward, _backward)


def image_gradient(x: Array, kernel: Array, dy: Array, window: Window) -> Array:
    """The gradient by `x`, given that by the output, `dy [B, H', W', O]`.

    Where XLA goes forwards with stride 1 it is a convolution of `dy` with the kernel turned by 180° (XLA's
    own transposition of a convolution does not use its fast code); otherwise each patch's gradient is added
    where it came from, which needs no turned copy of a large kernel.
    """
    if window.stride > 1 or choose(x.shape, kernel.shape, window) is patches:
        (dx,) = jax.linear_transpose(lambda x: patches(x, kernel, window), x)(dy)
        return dx
    (top, bottom), (left, right) = window.pads
    rows, columns = kernel.shape[0] - 1, kernel.shape[1] - 1
    back = Window(1, ((rows - top, rows - bottom), (columns - left, columns - right)))
    return xla(dy, kernel[::-1, ::-1].swapaxes(2, 3), back)


def kernel_gradient(x: Array, kernel: Array, dy: Array, window: Window) -> Array:
    """The gradient by `kernel`: a convolution, or one matrix product a tap, over batch and pixels."""
    pointwise = kernel.shape[0] == kernel.shape[1] == 1
    if not pointwise and x.shape[1] * x.shape[2] > TINY_PIXELS:
        return _correlation(x, dy, kernel, window)
    flat = dy.reshape(-1, dy.shape[-1])
    taps = [
        # The barrier keeps XLA from gathering the view anew inside the product.
        lax.dot_general(
            lax.optimization_barrier(view.reshape(-1, x.shape[-1])), flat, (((0,), (0,)), ((), ()))
        )
        for view in _views(x, kernel.shape, window)
    ]
    return jnp.stack(taps).reshape(kernel.shape)


def _correlation(x: Array, dy: Array, kernel: Array, window: Window) -> Array:
    """The gradient by the kernel as a convolution whose batch is the channels and whose channels the batch.

    XLA's own transposition is the same sums, in an order of axes that it only puts right outside of loops:
    inside one, where several steps or parts of a batch are, it runs them thirty times as slowly.
    """
    spans = [(size - 1) * window.stride for size in dy.shape[1:3]]
    pads = [
        (before, taps + span - size - before)
        for (before, _), taps, span, size in zip(
            window.pads, kernel.shape[:2], spans, x.shape[1:3], strict=True
        )
    ]
    found = lax.conv_general_dilated(
        x.transpose(3, 1, 2, 0),
        dy.transpose(1, 2, 0, 3),
        (1, 1),
        pads,
        rhs_dilation=(window.stride, window.stride),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return found.transpose(1, 2, 0, 3)


def _views(x: Array, kernel: tuple[int, ...], window: Window) -> Iterator[Array]:
    """The strided view of the padded image under each tap, `[B, H', W', C]`, row by row."""
    config = ((0, 0, 0), (*window.pads[0], 0), (*window.pads[1], 0), (0, 0, 0))
    padded = lax.pad(x, jnp.zeros((), x.dtype), config)
    batch, height, width, channels = padded.shape
    kh, kw, stride = kernel[0], kernel[1], window.stride
    rows, columns = (height - kh) // stride * stride + 1, (width - kw) // stride * stride + 1
    for i in range(kh):
        for j in range(kw):
            stop = (batch, i + rows, j + columns, channels)
            yield lax.slice(padded, (0, i, j, 0), stop, (1, stride, stride, 1))
