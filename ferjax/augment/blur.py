"""Gaussian blur, as in SimCLR (Chen et al., 2020, appendix A)."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from ferjax.registry import augmentation

SHARPEST = 1e-3  # pixels, so that no deviation is 0


@augmentation("gaussian_blur")
def gaussian_blur(
    keys: Key[Array, " B"], images: Float[Array, "B H W C"], strength: float
) -> Float[Array, "B H W C"]:
    """Blurs each image with a normal kernel of a width of its own.

    Args:
        keys: one an image.
        images: 0–255.
        strength: the kernel's largest standard deviation as a share of the image's height; the deviation is
            uniform below it. SimCLR's 2 pixels at a height of 224 are 0.009.

    Returns:
        Images in 0–255; at the border the kernel is cut off and its weights add up to 1 all the same.
    """
    height = images.shape[1]
    return blurred(images, jax.vmap(lambda key: jax.random.uniform(key, maxval=strength * height))(keys))


def blurred(images: Float[Array, "B H W C"], deviations: Float[Array, " B"]) -> Float[Array, "B H W C"]:
    """Blurs each image with a normal kernel of its own standard deviation, in pixels; see `gaussian_blur`."""
    height, width = images.shape[1:3]
    deviations = jnp.maximum(deviations, SHARPEST)
    rows, columns = _weights(deviations, height), _weights(deviations, width)
    # In full precision: a TPU would round the pixels to bfloat16.
    exact = jax.lax.Precision.HIGHEST
    return jnp.einsum("bph,bhwc,bqw->bpqc", rows, images, columns, precision=exact)


def _weights(deviations: Float[Array, " B"], size: int) -> Float[Array, "B size size"]:
    """Computes how much of each pixel goes into each pixel of the result, along one axis."""
    distances = jnp.arange(size)[:, None] - jnp.arange(size)
    return jax.nn.softmax(-jnp.square(distances / deviations[:, None, None]) / 2, axis=-1)
