"""Random erasing (Zhong et al., 2020): a rectangle of the image is covered with ImageNet's mean colour."""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ferjax.augment.boxes import fill
from ferjax.augment.draws import Draws
from ferjax.augment.normalisation import IMAGENET_MEAN

AREA = (0.02, 0.2)  # share of the image that is covered
ASPECT = (0.3, 1 / 0.3)  # height / width of the rectangle


def erase(
    draws: Draws, images: Float[Array | np.ndarray, "B H W C"], probability: float
) -> Float[Array, "B H W C"]:
    """Covers a rectangle of some images.

    Args:
        draws: of the batch.
        images: 0–255, of 1 or 3 channels.
        probability: of a rectangle in an image, 0 to 1.
    """
    _, height, width, channels = images.shape
    area = draws.between("erase.area", *AREA) * height * width
    aspect = jnp.exp(draws.between("erase.aspect", *map(math.log, ASPECT)))
    heights = jnp.clip(jnp.round(jnp.sqrt(area * aspect)), 1, height)
    widths = jnp.clip(jnp.round(jnp.sqrt(area / aspect)), 1, width)
    tops = jnp.floor(draws.between("erase.y") * (height - heights + 1))
    lefts = jnp.floor(draws.between("erase.x") * (width - widths + 1))
    mask = fill(tops, lefts, heights, widths, (height, width))
    mask &= draws.chance("erase", probability)[:, None, None, None]
    mean = jnp.asarray(IMAGENET_MEAN)
    return jnp.where(mask, 255 * (mean if channels == 3 else mean.mean()), images)
