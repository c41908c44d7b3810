"""Positions of an image's tokens: fixed ones, and learnt ones resampled for images of another size."""

import math

import jax.numpy as jnp
import numpy as np
from flax.typing import Dtype, Initializer
from jaxtyping import Array, Float, Key


def sin_cos(rows: int, columns: int, width: int) -> Float[np.ndarray, "1 T {width}"]:
    """Makes fixed positions of a class token, all 0, and of the patches of a grid row by row.

    The first half of a position tells its column, the second half its row: sines and then cosines of it at
    wavelengths from 2π to 10,000 · 2π.

    Args:
        rows: of the grid.
        columns: of the grid.
        width: numbers of a position, a multiple of 4.

    Returns:
        float32, T = 1 + rows · columns.

    References:
        Vaswani et al., Attention is all you need, 2017, section 3.5; for images as facebookresearch/mae.
    """
    frequencies = 10_000.0 ** -(np.arange(width // 4) / (width // 4))

    def along(places: np.ndarray) -> np.ndarray:
        angles = places.reshape(-1, 1) * frequencies
        return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)

    row, column = np.mgrid[:rows, :columns]
    grid = np.concatenate([along(column), along(row)], axis=1)
    return np.concatenate([np.zeros((1, width)), grid])[None].astype(np.float32)


def waves(rows: int, columns: int) -> Initializer:
    """Makes an initializer of learnt positions `[1, 1 + rows · columns, W]` that begin as `sin_cos`."""

    def init(key: Key[Array, ""], shape: tuple[int, ...], dtype: Dtype = jnp.float32) -> Array:
        del key
        return jnp.asarray(sin_cos(rows, columns, shape[-1]), dtype)

    return init


def grid_side(positions: int) -> int | None:
    """Returns the side of the square grid that a class token's position and `positions − 1` others make."""
    side = math.isqrt(max(positions - 1, 0))
    return side if side and side * side == positions - 1 else None


def resampled(positions: Float[np.ndarray, "1 T C"], tokens: int) -> Float[np.ndarray, "1 {tokens} C"]:
    """Resamples a square grid of positions bicubically; the first one, the class token's, stays.

    The cubic is that of PyTorch's `interpolate(mode="bicubic")`, without antialiasing, which MAE and DINOv2
    use for their positions; places outside of the grid are those at its edge.

    Args:
        positions: the class token's, then a grid's row by row.
        tokens: how many are wanted; 1 more than a square, as that of `positions`.

    Raises:
        ValueError: one of the two is not 1 more than a square.

    References:
        Keys, Cubic convolution interpolation for digital image processing, 1981, with a = −0.75.
    """
    old, new = grid_side(positions.shape[1]), grid_side(tokens)
    if not old or not new:
        raise ValueError(f"{positions.shape[1]} and {tokens} are not both 1 more than a square")
    if old == new:
        return positions
    weights = _cubic_weights(old, new)
    grid = positions[0, 1:].astype(np.float64).reshape(old, old, -1)
    grid = np.einsum("ri,ijc,sj->rsc", weights, grid, weights).reshape(1, new * new, -1)
    return np.concatenate([positions[:, :1], grid.astype(positions.dtype)], axis=1)


def _cubic_weights(old: int, new: int) -> np.ndarray:
    """Makes the matrix `[new, old]` of the weights of old places in new ones, along one axis."""
    centre = (np.arange(new) + 0.5) * old / new - 0.5
    first = np.floor(centre).astype(np.int64)
    weights = np.zeros((new, old))
    for tap in range(-1, 3):
        place = np.clip(first + tap, 0, old - 1)
        np.add.at(weights, (np.arange(new), place), _keys(centre - first - tap))
    return weights


def _keys(distance: np.ndarray, a: float = -0.75) -> np.ndarray:
    """Evaluates Keys' cubic, equation 4 with a general a, at distances up to 2."""
    x = np.abs(distance)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = a * (((x - 5) * x + 8) * x - 4)
    return np.where(x <= 1, near, far)
