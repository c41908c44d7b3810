"""From bytes to what a network sees."""

import jax.numpy as jnp
from jax import Array

# Mean and standard deviation of ImageNet's RGB values in [0, 1], as torchvision documents them.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def normalise(images: Array, dtype: jnp.dtype = jnp.float32) -> Array:
    """Bytes to normalised values; grey images are repeated to three channels.

    Args:
        images: uint8 `[B, H, W, 1 or 3]`.
        dtype: of the result.

    Returns:
        `[B, H, W, 3]`, zero mean and unit variance over ImageNet.
    """
    if images.shape[-1] == 1:
        images = jnp.broadcast_to(images, (*images.shape[:-1], 3))
    values = images.astype(jnp.promote_types(dtype, jnp.float32)) / 255
    return ((values - jnp.asarray(IMAGENET_MEAN)) / jnp.asarray(IMAGENET_STD)).astype(dtype)
