"""Pooling whose gradient is elementwise: a reduce-window's is a scatter, four times as slow on a CPU."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax


@jax.custom_jvp
def max_pool_2x2(x: Array) -> Array:
    """Largest of each 2×2 window, stride 2; an odd last row or column is left out, as PyTorch does.

    Args:
        x: `[B, H, W, C]`.

    Returns:
        `[B, H // 2, W // 2, C]`.
    """
    return _largest(x, size=2, padding=0)


@max_pool_2x2.defjvp
def _max_pool_2x2_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    _, tangent = jax.jvp(_compare_2x2, primals, tangents)
    return max_pool_2x2(*primals), tangent


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def max_pool_3x3(x: Array, padding: int = 1) -> Array:
    """Largest of each 3×3 window, stride 2.

    Args:
        x: `[B, H, W, C]`.
        padding: −∞ on all four sides, 0 or 1.

    Returns:
        `[B, (H + 2·padding − 3) // 2 + 1, …, C]`.
    """
    return _largest(x, size=3, padding=padding)


@max_pool_3x3.defjvp
def _max_pool_3x3_jvp(padding: int, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    _, tangent = jax.jvp(partial(_compare_3x3, padding=padding), primals, tangents)
    return max_pool_3x3(*primals, padding), tangent


def _largest(x: Array, size: int, padding: int) -> Array:
    """By columns, then by rows, in XLA's own operation.

    Written as comparisons it would be fused into whatever reads it: a convolution's gradient by the kernel
    reads it transposed, and computes each window anew with long strides (1.3 of SE-ResNet-18's 10 parts at
    224×224).
    """
    for axis in (2, 1):
        window, strides, pads = [1] * x.ndim, [1] * x.ndim, [(0, 0)] * x.ndim
        window[axis], strides[axis], pads[axis] = size, 2, (padding, padding)
        x = lax.reduce_window(x, jnp.array(-jnp.inf, x.dtype), lax.max, window, strides, pads)
    return x


def _compare_2x2(x: Array) -> Array:
    """`max_pool_2x2` as comparisons, for its gradient."""
    for axis in (2, 1):
        x = _larger(*_pairs(x, axis, pairs=x.shape[axis] // 2))
    return x


def _compare_3x3(x: Array, padding: int) -> Array:
    """`max_pool_3x3` as comparisons, for its gradient."""
    for axis in (2, 1):
        out = (x.shape[axis] + 2 * padding - 3) // 2 + 1
        if padding:  # the second of the pair before, and a pair
            middle, end = _pairs(x, axis, pairs=out)
            start = _shifted(end, axis, before=1, length=out)
        else:  # a pair, and the first of the next
            first, middle = _pairs(x, axis, pairs=out + 1)
            start, middle = (_shifted(side, axis, before=0, length=out) for side in (first, middle))
            end = _shifted(first, axis, before=-1, length=out)
        x = _larger(_larger(start, middle), end)
    return x


def _shifted(x: Array, axis: int, before: int, length: int) -> Array:
    """An axis of this length with `before` times −∞ in front (below 0: cropped); cut or filled behind."""
    config = [(0, 0, 0)] * x.ndim
    config[axis] = (before, length - before - x.shape[axis], 0)
    return lax.pad(x, jnp.array(-jnp.inf, x.dtype), config)


def _pairs(x: Array, axis: int, pairs: int) -> tuple[Array, Array]:
    """The first and the second element of so many pairs along an axis, cut or filled with −∞ behind."""
    x = _shifted(x, axis, before=0, length=2 * pairs)
    x = x.reshape(*x.shape[:axis], pairs, 2, *x.shape[axis + 1 :])
    first, second = (lax.index_in_dim(x, side, axis + 1, keepdims=False) for side in (0, 1))
    return first, second


@jax.custom_jvp
def _larger(first: Array, second: Array) -> Array:
    """The larger of two, or NaN; of equal ones the first gets the gradient, as in PyTorch."""
    return jnp.maximum(first, second)


@_larger.defjvp
def _larger_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    first, second = primals
    return _larger(first, second), jnp.where((first >= second) | jnp.isnan(first), *tangents)


def average_pool_2x2(x: Array) -> Array:
    """Mean of each 2×2 window, stride 2; shapes as `max_pool_2x2`."""
    batch, height, width, channels = x.shape
    rows, columns = height // 2, width // 2
    windows = x[:, : rows * 2, : columns * 2].reshape(batch, rows, 2, columns, 2, channels)
    return windows.mean(axis=(2, 4))


def adaptive_average_pool(x: Array, size: int) -> Array:
    """Means over size × size windows that cover the image evenly, as PyTorch's `adaptive_avg_pool2d`.

    Window i of an axis of length n reaches from ⌊i·n/size⌋ to ⌈(i+1)·n/size⌉: windows overlap where `size`
    does not divide n, and repeat pixels where n is smaller.

    Args:
        x: `[B, H, W, C]`.
        size: windows along each axis.

    Returns:
        `[B, size, size, C]`.
    """
    rows, columns = (jnp.asarray(_window_means(length, size), x.dtype) for length in x.shape[1:3])
    return jnp.einsum("ih,bhwc,jw->bijc", rows, x, columns)


def _window_means(length: int, size: int) -> np.ndarray:
    """`[size, length]`: each row averages over one window."""
    starts = np.arange(size) * length // size
    stops = -(-np.arange(1, size + 1) * length // size)
    position = np.arange(length)
    inside = (position >= starts[:, None]) & (position < stops[:, None])
    return inside / inside.sum(1, keepdims=True)


def global_average_pool(x: Array) -> Array:
    """Mean over height and width: `[B, H, W, C]` to `[B, C]`."""
    return x.mean(axis=(1, 2))
