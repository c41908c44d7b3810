"""All options of the group `augment` that change an image by itself, one after the other."""

import jax.numpy as jnp
from jax import Array
from ml_collections import ConfigDict

from ferjax.augment.draws import Draws
from ferjax.augment.erasing import erase
from ferjax.augment.extra import apply_extra
from ferjax.augment.geometry import move
from ferjax.augment.tone import colour


def augment(key: Array, images: Array, config: ConfigDict) -> Array:
    """Applies geometry, tone, the extra augmentations and erasing, and rounds once at the end.

    Args:
        key: typed, of the step; each row of the batch folds its number in.
        images: uint8 `[B, H, W, 1 or 3]`.
        config: the group `augment`.

    Returns:
        uint8 `[B, H, W, C]`.
    """
    draws = Draws(key, images.shape[0])
    moved = move(draws, images, config)
    values = colour(draws, moved.astype(jnp.float32), config)
    if config.extra:
        values = apply_extra(draws, values, config.extra)
    if config.erase:
        values = erase(draws, values, config.erase)
    return jnp.round(values).astype(jnp.uint8)
