"""The check of what a network is called with."""

from jax import Array

from ferjax.errors import UserError


def check_images(network: str, images: Array, smallest: int) -> None:
    """Raises unless `images` are `[B, H, W, 3]`, H and W at least `smallest` pixels.

    Raises:
        UserError: it names the network, what it takes and what came.
    """
    if images.ndim != 4 or images.shape[-1] != 3 or min(images.shape[1:3]) < smallest:
        raise UserError(
            f"{network} takes images [B, H, W, 3] of at least {smallest}×{smallest}, not {list(images.shape)}"
        )
