"""All options of the group `augment` that change single images, one after the other."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key, UInt8
from ml_collections import ConfigDict

from ferjax.augment.draws import Draws
from ferjax.augment.erasing import erase
from ferjax.augment.extra import apply_extra
from ferjax.augment.geometry import move
from ferjax.augment.tone import colour


def augment(
    key: Key[Array, ""], images: UInt8[Array | np.ndarray, "B H W C"], config: ConfigDict
) -> UInt8[Array, "B H W C"]:
    """Applies geometry, tone, the extra augmentations and erasing, and rounds once at the end.

    Args:
        key: typed, of the step; each row of the batch folds its number in.
        images: of 1 or 3 channels.
        config: the group `augment`.
    """
    draws = Draws(key, images.shape[0])
    moved = move(draws, images, config)
    values = colour(draws, moved.astype(jnp.float32), config)
    if config.extra:
        values = apply_extra(draws, values, config.extra)
    if config.erase:
        values = erase(draws, values, config.erase)
    return jnp.round(values).astype(jnp.uint8)
