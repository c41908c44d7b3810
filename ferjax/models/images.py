"""The check of the images that a network is called with."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ferjax.errors import UserError


def check_images(
    network: str, images: Float[Array | np.ndarray, "..."], smallest: int
) -> Float[Array, "B H W 3"]:
    """Checks that `images` are `[B, H, W, 3]`, and returns them as a jax array.

    Args:
        network: its name, for the message.
        images: what it is called with.
        smallest: pixels that H and W must have at least.

    Raises:
        UserError: it names the network, what it takes and what came.
    """
    if images.ndim != 4 or images.shape[-1] != 3 or min(images.shape[1:3]) < smallest:
        raise UserError(
            f"{network} takes images [B, H, W, 3] of at least {smallest}×{smallest}, not {list(images.shape)}"
        )
    return jnp.asarray(images)
