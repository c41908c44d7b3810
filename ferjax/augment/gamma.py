"""Random gamma correction, which darkens or lightens the middle tones, as other lighting does."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from ferjax.registry import augmentation


@augmentation("gamma")
def gamma(
    keys: Key[Array, " B"], images: Float[Array, "B H W C"], strength: float
) -> Float[Array, "B H W C"]:
    """Raises each image to a power of its own: 255 · (value / 255)^γ, torchvision's `adjust_gamma`.

    Args:
        keys: one an image.
        images: 0–255.
        strength: the largest |ln γ|; ln γ is uniform within ± strength, so that an image is as often
            darkened (γ above 1) as lightened.

    Returns:
        Images in 0–255; black and white stay.
    """
    powers = jax.vmap(lambda key: jax.random.uniform(key, minval=-strength, maxval=strength))(keys)
    return 255 * (images / 255) ** jnp.exp(powers)[:, None, None, None]
