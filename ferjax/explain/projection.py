"""Enlarges maps of a layer to the size of the image."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ferjax.layers.regions import REGIONS, region_boxes


def onto_images(
    maps: Float[Array, "BV h w"], batch: int, image_hw: tuple[int, int]
) -> Float[Array, "{batch} H W"]:
    """Enlarges maps bilinearly; maps of regions are placed where the regions lie, and added up.

    Args:
        maps: `[B, h, w]`, or `[B·7, h, w]` from a network that sees the regions of `ferjax.layers.regions`.
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
        region = _resized(views[:, number], (rows, columns))
        whole = whole.at[:, top : top + rows, left : left + columns].add(region)
    return whole


def _resized(maps: Float[Array, "N h w"], hw: tuple[int, int]) -> Float[Array, "N H W"]:
    return jax.image.resize(maps, (len(maps), *hw), "linear", antialias=False)
