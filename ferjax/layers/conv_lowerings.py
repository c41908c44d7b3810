"""The ways of writing one convolution for a CPU, and which is fastest by shape."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax


class Window(NamedTuple):
    """Stride of both axes and ((top, bottom), (left, right)) zeros; a negative count crops."""

    stride: int
    pads: tuple[tuple[int, int], tuple[int, int]]


Lowering = Callable[[Array, Array, Window], Array]


def choose(image: tuple[int, ...], kernel: tuple[int, ...], window: Window) -> Lowering:
    """The fastest lowering for these shapes on two x86-64 cores (`benchmarks/conv_lowerings.py`).

    Args:
        image: `[B, H, W, C]`.
        kernel: `[kh, kw, C, O]`.
        window: stride and padding.
    """
    kh, kw, channels, _ = kernel
    if channels < 16 or image[1] * image[2] > 1024:
        return xla
    if (kh, kw) == (3, 3) and window.stride == 1 and image[1] >= 4:
        return winograd
    return patches


def xla(x: Array, kernel: Array, window: Window) -> Array:
    """XLA's convolution."""
    return lax.conv_general_dilated(
        x,
        kernel,
        (window.stride, window.stride),
        window.pads,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def _pad(x: Array, pads: tuple[tuple[int, int], tuple[int, int]]) -> Array:
    config = ((0, 0, 0), (*pads[0], 0), (*pads[1], 0), (0, 0, 0))
    return lax.pad(x, jnp.zeros((), x.dtype), config)


def _shifts(x: Array, kernel: Array, window: Window) -> Iterator[Array]:
    """The strided view of the padded image under each tap, `[B, H', W', C]`, row by row."""
    batch, height, width, channels = (padded := _pad(x, window.pads)).shape
    kh, kw, stride = kernel.shape[0], kernel.shape[1], window.stride
    rows, columns = (height - kh) // stride * stride + 1, (width - kw) // stride * stride + 1
    for i in range(kh):
        for j in range(kw):
            stop = (batch, i + rows, j + columns, channels)
            yield lax.slice(padded, (0, i, j, 0), stop, (1, stride, stride, 1))


def patches(x: Array, kernel: Array, window: Window) -> Array:
    """All patches side by side, then one matrix product: best for small images with many channels."""
    columns = jnp.concatenate(list(_shifts(x, kernel, window)), axis=-1)
    return columns @ kernel.reshape(-1, kernel.shape[-1])


def winograd(x: Array, kernel: Array, window: Window) -> Array:
    """F(2×2, 3×3) of Lavin & Gray (2016): 16 products instead of 36 for four outputs; stride 1 only.

    An odd height or width is padded by one row or column that is cut off again.
    """
    batch, height, width, channels = x.shape
    (top, bottom), (left, right) = window.pads
    out_h, out_w = height + top + bottom - 2, width + left + right - 2
    tiles_h, tiles_w = -(-out_h // 2), -(-out_w // 2)
    padded = _pad(x, ((top, bottom + out_h % 2), (left, right + out_w % 2)))

    def tile(i: int, j: int) -> Array:
        stop = (batch, i + 2 * tiles_h - 1, j + 2 * tiles_w - 1, channels)
        return lax.slice(padded, (0, i, j, 0), stop, (1, 2, 2, 1))

    data = _both_axes([[tile(i, j) for j in range(4)] for i in range(4)], _data)
    filters = _both_axes([[kernel[i, j] for j in range(3)] for i in range(3)], _filter)
    products = [[data[i][j] @ filters[i][j] for j in range(4)] for i in range(4)]
    outputs = _both_axes(products, _output)
    y = jnp.stack([jnp.stack(row, axis=3) for row in outputs], axis=2)
    return y.reshape(batch, 2 * tiles_h, 2 * tiles_w, -1)[:, :out_h, :out_w]


def _both_axes(grid: list[list[Array]], transform: Callable[..., list[Array]]) -> list[list[Array]]:
    """Applies a one-dimensional transform along the rows and then the columns of a grid of arrays."""
    rows = [transform(*column) for column in zip(*grid, strict=True)]
    return [transform(*column) for column in zip(*rows, strict=True)]


def _data(a: Array, b: Array, c: Array, d: Array) -> list[Array]:
    return [a - c, b + c, c - b, b - d]


def _filter(a: Array, b: Array, c: Array) -> list[Array]:
    return [a, 0.5 * (a + b + c), 0.5 * (a - b + c), c]


def _output(a: Array, b: Array, c: Array, d: Array) -> list[Array]:
    return [a + b + c, b - c - d]
