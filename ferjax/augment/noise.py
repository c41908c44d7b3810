"""Gaussian noise, as trained with by Rusak et al. (2020), "A simple way to make neural networks robust"."""

import jax
from jaxtyping import Array, Float, Key

from ferjax.registry import augmentation


@augmentation("gaussian_noise")
def gaussian_noise(
    keys: Key[Array, " B"], images: Float[Array, "B H W C"], strength: float
) -> Float[Array, "B H W C"]:
    """Adds normal noise to every value, with a deviation drawn for each image.

    Args:
        keys: one an image.
        images: 0–255.
        strength: the largest standard deviation as a share of 255; the deviation is uniform below it.

    Returns:
        Images that may leave 0–255.
    """

    def noisy(key: Key[Array, ""], image: Float[Array, "H W C"]) -> Float[Array, "H W C"]:
        size, noise = jax.random.split(key)
        deviation = jax.random.uniform(size, maxval=255 * strength)
        return image + deviation * jax.random.normal(noise, image.shape)

    return jax.vmap(noisy)(keys, images)
