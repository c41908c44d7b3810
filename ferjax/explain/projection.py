"""Maps of a layer, at the size of the image."""

import jax
import jax.numpy as jnp
from jax import Array

from ferjax.layers.regions import REGIONS, region_boxes


def onto_images(maps: Array, batch: int, image_hw: tuple[int, int]) -> Array:
    """Enlarges maps bilinearly; those of an image's regions are laid where the regions are, and added up.

    Args:
        maps: `[B, h, w]`, or `[B·7, h, w]` of a network that sees the regions of `ferjax.layers.regions`.
        batch: B.
        image_hw: (H, W).

    Returns:
        `[B, H, W]`.
    """
    if len(maps) == batch:
        return _resized(maps, image_hw)
    views = maps.reshape(batch, len(REGIONS), *maps.shape[1:])
    whole = jnp.zeros((batch, *image_hw), maps.dtype)
    for number, (top, left, rows, columns) in enumerate(region_boxes(*image_hw)):
        there = _resized(views[:, number], (rows, columns))
        whole = whole.at[:, top : top + rows, left : left + columns].add(there)
    return whole


def _resized(maps: Array, hw: tuple[int, int]) -> Array:
    return jax.image.resize(maps, (len(maps), *hw), "linear", antialias=False)
