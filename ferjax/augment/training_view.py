"""An image as a network sees it in training."""

import numpy as np
from jaxtyping import Array, Key, UInt8
from ml_collections import ConfigDict

from ferjax.augment.crops import random_crop
from ferjax.augment.images import augment


def view(
    key: Key[Array, ""], images: UInt8[Array | np.ndarray, "B H W C"], config: ConfigDict
) -> UInt8[Array, "B S S C"]:
    """Draws a view of each image: a random crop where `data.source_size` is set, and the group `augment`.

    Args:
        key: typed, of the step.
        images: as the data has them.
        config: the groups `augment` and `data` are read.
    """
    if config.data.source_size:
        images = random_crop(key, images, config.data.image_size)
    return augment(key, images, config.augment)
