"""Rectangles in images, one an image."""

import jax.numpy as jnp
from jax import Array


def fill(tops: Array, lefts: Array, heights: Array, widths: Array, shape: tuple[int, int]) -> Array:
    """Where the rectangles lie: bool `[B, H, W, 1]`; what leaves the image is cut off.

    Args:
        tops: `[B]`, the first row of each, pixels.
        lefts: `[B]`, the first column.
        heights: `[B]`.
        widths: `[B]`.
        shape: (H, W).
    """
    y, x = jnp.arange(shape[0])[None, :, None], jnp.arange(shape[1])[None, None, :]
    tops, lefts, heights, widths = (v[:, None, None] for v in (tops, lefts, heights, widths))
    within = (y >= tops) & (y < tops + heights) & (x >= lefts) & (x < lefts + widths)
    return within[..., None]
