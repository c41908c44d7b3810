"""Augmentation and normalisation on the device, inside the jitted step."""

import jax
import jax.numpy as jnp
from jax import Array, lax
from ml_collections import ConfigDict

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


def random_flip(key: Array, images: Array) -> Array:
    """Mirrors each image of `[B, H, W, C]` left to right with probability one half."""
    flip = jax.random.bernoulli(key, 0.5, (images.shape[0], 1, 1, 1))
    return jnp.where(flip, images[:, :, ::-1], images)


def random_translate(key: Array, images: Array, fraction: float) -> Array:
    """Moves each image by whole pixels, up to `fraction` of its size each way; edges are repeated.

    Args:
        key: typed key.
        images: `[B, H, W, C]`.
        fraction: in [0, 1).
    """
    _, height, width, channels = images.shape
    reach = (round(height * fraction), round(width * fraction))
    padded = jnp.pad(images, ((0, 0), (reach[0],) * 2, (reach[1],) * 2, (0, 0)), mode="edge")
    limits = jnp.array([2 * reach[0] + 1, 2 * reach[1] + 1])
    corners = jax.random.randint(key, (images.shape[0], 2), 0, limits)

    def crop(image: Array, corner: Array) -> Array:
        return lax.dynamic_slice(image, (corner[0], corner[1], 0), (height, width, channels))

    return jax.vmap(crop)(padded, corners)


def augment(key: Array, images: Array, config: ConfigDict) -> Array:
    """Applies what the group `augment` of the config asks for to uint8 images `[B, H, W, C]`."""
    flip_key, translate_key = jax.random.split(key)
    if config.translate:
        images = random_translate(translate_key, images, config.translate)
    if config.flip:
        images = random_flip(flip_key, images)
    return images
