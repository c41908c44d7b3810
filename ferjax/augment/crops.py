"""Crops of images that are larger than the network's input: random to train; centre, five or ten to test."""

import jax
import jax.numpy as jnp
from jax import Array

from ferjax.augment.draws import Draws

# How many views of an image each choice of `eval.crops` gives.
VIEWS = {"none": 1, "flip": 2, "five": 5, "ten": 10}
# Those that need images larger than what the network takes, and those that show mirror images too.
CORNERED = ("five", "ten")
MIRRORED = ("flip", "ten")


def random_crop(key: Array, images: Array, size: int) -> Array:
    """A square of each image at a random place: `[B, H, W, C]` → `[B, size, size, C]`.

    Args:
        key: typed, of the step.
        images: H and W at least `size`.
        size: pixels; images of that size come back as they are.
    """
    rows, height, width, channels = images.shape
    if (height, width) == (size, size):
        return images
    draws = Draws(key, rows)
    tops = jnp.floor(draws.between("crop.y") * (height - size + 1)).astype(jnp.int32)
    lefts = jnp.floor(draws.between("crop.x") * (width - size + 1)).astype(jnp.int32)

    def crop(image: Array, top: Array, left: Array) -> Array:
        return jax.lax.dynamic_slice(image, (top, left, 0), (size, size, channels))

    return jax.vmap(crop)(images, tops, lefts)


def views(images: Array, size: int, crops: str) -> list[Array]:
    """The crops that are shown to a network for testing, each `[B, size, size, C]`.

    Args:
        images: `[B, H, W, C]`, H and W at least `size`.
        size: pixels.
        crops: "none": the centre; "flip": the centre and its mirror image; "five": the centre and the
            corners; "ten": these and their mirror images.
    """
    height, width = images.shape[1:3]
    down, right = height - size, width - size
    corners = [(round(down / 2), round(right / 2))]  # of the two middles, torchvision's
    if crops in CORNERED:
        corners += [(0, 0), (0, right), (down, 0), (down, right)]
    cut = [images[:, top : top + size, left : left + size] for top, left in corners]
    return cut + [view[:, :, ::-1] for view in cut] if crops in MIRRORED else cut
