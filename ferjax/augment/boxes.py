"""Rectangles in images, one an image."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Num


def fill(
    tops: Num[Array, " B"],
    lefts: Num[Array, " B"],
    heights: Num[Array, " B"],
    widths: Num[Array, " B"],
    shape: tuple[int, int],
) -> Bool[Array, "B {shape[0]} {shape[1]} 1"]:
    """Marks the pixels of a rectangle in each image; what leaves the image is cut off.

    Args:
        tops: the first row of each, in pixels.
        lefts: the first column.
        heights: in pixels.
        widths: in pixels.
        shape: (H, W) of the images.
    """
    y, x = jnp.arange(shape[0])[None, :, None], jnp.arange(shape[1])[None, None, :]
    tops, lefts, heights, widths = (v[:, None, None] for v in (tops, lefts, heights, widths))
    within = (y >= tops) & (y < tops + heights) & (x >= lefts) & (x < lefts + widths)
    return within[..., None]
