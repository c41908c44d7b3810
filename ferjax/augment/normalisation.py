"""The normalisation of bytes to a network's input."""

import jax.numpy as jnp
import numpy as np
from flax.typing import Dtype
from jaxtyping import Array, Float, Num, UInt8

# Mean and standard deviation of ImageNet's RGB values in [0, 1], as torchvision documents them.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def normalise(
    images: Num[Array | np.ndarray, "B H W C"], dtype: Dtype = jnp.float32
) -> Float[Array, "B H W 3"]:
    """Normalises bytes; grey images are repeated to three channels.

    >>> normalise(jnp.zeros((2, 48, 48, 1), jnp.uint8)).shape
    (2, 48, 48, 3)

    Args:
        images: uint8, of 1 or 3 channels.
        dtype: of the result.

    Returns:
        Values of zero mean and unit variance over ImageNet.
    """
    images = jnp.asarray(images)
    if images.shape[-1] == 1:
        images = jnp.broadcast_to(images, (*images.shape[:-1], 3))
    values = images.astype(jnp.promote_types(dtype, jnp.float32)) / 255
    return ((values - jnp.asarray(IMAGENET_MEAN)) / jnp.asarray(IMAGENET_STD)).astype(dtype)


def bytes_of(values: Float[Array, "B H W 3"]) -> UInt8[Array, "B H W 3"]:
    """Turns normalised values back into bytes, the inverse of `normalise`; others are cut off."""
    share = values * jnp.asarray(IMAGENET_STD) + jnp.asarray(IMAGENET_MEAN)
    return jnp.clip(jnp.round(255 * share), 0, 255).astype(jnp.uint8)
