"""Pooling whose gradient is elementwise: a reduce-window's is a scatter, four times as slow on a CPU."""

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float


@jax.custom_jvp
def max_pool_2x2(x: Float[Array, "B H W C"]) -> Float[Array, "B H//2 W//2 C"]:
    """Takes the largest of each 2×2 window, stride 2; leaves an odd last row or column out, as PyTorch."""
    return _largest(x, size=2, padding=0)


@max_pool_2x2.defjvp
def _max_pool_2x2_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    _, tangent = jax.jvp(_compare_2x2, primals, tangents)
    return max_pool_2x2(*primals), tangent


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def max_pool_3x3(x: Float[Array, "B H W C"], padding: int = 1) -> Float[Array, "B H2 W2 C"]:
    """Takes the largest of each 3×3 window, stride 2.

    Args:
        x: feature maps.
        padding: rows and columns of −∞ on all four sides, 0 or 1.

    Returns:
        Feature maps of height H2 = (H + 2·padding − 3) // 2 + 1, and likewise of width W2.
    """
    return _largest(x, size=3, padding=padding)


@max_pool_3x3.defjvp
def _max_pool_3x3_jvp(padding: int, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    _, tangent = jax.jvp(partial(_compare_3x3, padding=padding), primals, tangents)
    return max_pool_3x3(*primals, padding), tangent


def _largest(x: Array, size: int, padding: int) -> Array:
    """Takes the largest by columns, then by rows, in XLA's own operation.

    Written as comparisons, XLA would fuse it into the operation that reads it. A convolution's gradient by
    the kernel reads it transposed, and would compute each window anew with long strides: 13 % of
    SE-ResNet-18's training step at 224×224.
    """
    for axis in (2, 1):
        window, strides, pads = [1] * x.ndim, [1] * x.ndim, [(0, 0)] * x.ndim
        window[axis], strides[axis], pads[axis] = size, 2, (padding, padding)
        x = lax.reduce_window(x, jnp.array(-jnp.inf, x.dtype), lax.max, window, strides, pads)
    return x


def _compare_2x2(x: Array) -> Array:
    """Computes `max_pool_2x2` by comparisons, for its gradient."""
    for axis in (2, 1):
        x = _larger(*_pairs(x, axis, pairs=x.shape[axis] // 2))
    return x


def _compare_3x3(x: Array, padding: int) -> Array:
    """Computes `max_pool_3x3` by comparisons, for its gradient."""
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
    """Puts `before` times −∞ in front of an axis, or crops it if below 0; cuts or fills it to `length`."""
    config = [(0, 0, 0)] * x.ndim
    config[axis] = (before, length - before - x.shape[axis], 0)
    return lax.pad(x, jnp.array(-jnp.inf, x.dtype), config)


def _pairs(x: Array, axis: int, pairs: int) -> tuple[Array, Array]:
    """Splits an axis, cut or filled with −∞ behind, into pairs: their first and their second elements."""
    x = _shifted(x, axis, before=0, length=2 * pairs)
    x = x.reshape(*x.shape[:axis], pairs, 2, *x.shape[axis + 1 :])
    first, second = (lax.index_in_dim(x, side, axis + 1, keepdims=False) for side in (0, 1))
    return first, second


@jax.custom_jvp
def _larger(first: Array, second: Array) -> Array:
    """Takes the larger of two, or NaN; of equal ones the first gets the gradient, as in PyTorch."""
    return jnp.maximum(first, second)


@_larger.defjvp
def _larger_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    first, second = primals
    return _larger(first, second), jnp.where((first >= second) | jnp.isnan(first), *tangents)


def average_pool_2x2(x: Float[Array, "B H W C"]) -> Float[Array, "B H//2 W//2 C"]:
    """Averages each 2×2 window, stride 2; leaves an odd last row or column out."""
    batch, height, width, channels = x.shape
    rows, columns = height // 2, width // 2
    windows = x[:, : rows * 2, : columns * 2].reshape(batch, rows, 2, columns, 2, channels)
    return windows.mean(axis=(2, 4))


def adaptive_average_pool(x: Float[Array, "B H W C"], size: int) -> Float[Array, "B {size} {size} C"]:
    """Averages over size × size windows that cover the image evenly, as PyTorch's `adaptive_avg_pool2d`.

    Window i of an axis of length n reaches from ⌊i·n/size⌋ to ⌈(i+1)·n/size⌉: windows overlap where `size`
    does not divide n, and repeat pixels where n is smaller.

    Args:
        x: feature maps.
        size: windows along each axis.
    """
    rows, columns = (jnp.asarray(_window_means(length, size), x.dtype) for length in x.shape[1:3])
    return jnp.einsum("ih,bhwc,jw->bijc", rows, x, columns)


def _window_means(length: int, size: int) -> np.ndarray:
    """Makes a matrix `[size, length]`, each row of which averages over one window."""
    starts = np.arange(size) * length // size
    stops = -(-np.arange(1, size + 1) * length // size)
    position = np.arange(length)
    inside = (position >= starts[:, None]) & (position < stops[:, None])
    return inside / inside.sum(1, keepdims=True)


_before_average: ContextVar[Callable[[Array], Array] | None] = ContextVar("before_average", default=None)


def global_average_pool(x: Float[Array, "B H W C"]) -> Float[Array, "B C"]:
    """Averages over height and width."""
    function = _before_average.get()
    return (x if function is None else function(x)).mean(axis=(1, 2))


@contextlib.contextmanager
def before_averages(function: Callable[[Array], Array]) -> Iterator[None]:
    """Inside, `global_average_pool` averages what a function makes of its maps, or maps that it only saw."""
    token = _before_average.set(function)
    try:
        yield
    finally:
        _before_average.reset(token)
