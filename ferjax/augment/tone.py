"""Brightness, contrast, saturation, hue and grey, as torchvision and PIL define them.

All take float images of 0–255 and a value for each image, and give float images of 0–255.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from ml_collections import ConfigDict

from ferjax.augment import randaugment
from ferjax.augment.draws import Draws

_LUMA = (0.299, 0.587, 0.114)  # ITU-R 601, as PIL's mode L
Images = Float[Array | np.ndarray, "B H W C"]
Values = Float[Array | np.ndarray, " B"]


def colour(draws: Draws, images: Images, config: ConfigDict) -> Float[Array, "B H W C"]:
    """Applies the options of tone in the order of this file, and then those that RandAugment drew.

    Args:
        draws: of the batch.
        images: 0–255, of 1 or 3 channels; grey images have neither saturation nor hue.
        config: the group `augment`.
    """
    images, coloured = jnp.asarray(images), images.shape[-1] == 3
    if config.brightness:
        images = brightness(images, _factor(draws, "brightness", config.brightness))
    if config.contrast:
        images = contrast(images, _factor(draws, "contrast", config.contrast))
    if config.saturation and coloured:
        images = saturation(images, _factor(draws, "saturation", config.saturation))
    if config.hue and coloured:
        images = hue(images, draws.between("hue", -config.hue, config.hue))
    if config.grey and coloured:
        images = saturation(images, 1.0 - draws.chance("grey", config.grey))
    if config.randaugment:
        factors = randaugment.pick(draws, config.randaugment, config.randaugment_magnitude).factors
        images = contrast(brightness(images, factors["brightness"]), factors["contrast"])
        if coloured:
            images = saturation(images, factors["saturation"])
    return images


def _factor(draws: Draws, name: str, strength: float) -> Float[Array, " B"]:
    return draws.between(name, 1 - strength, 1 + strength)


def _towards(images: Images, pale: Float[Array, "..."], factors: Values) -> Float[Array, "B H W C"]:
    """Interpolates between `pale` (factor 0) and the images (factor 1), or beyond these, clipped."""
    factors = factors[:, None, None, None]
    return jnp.clip(factors * images + (1 - factors) * pale, 0, 255)


def luma(images: Images) -> Float[Array, "B H W 1"]:
    """Computes the perceived brightness by ITU-R 601; one channel comes back unchanged."""
    images = jnp.asarray(images)
    if images.shape[-1] == 1:
        return images
    red, green, blue = (images[..., i : i + 1] * weight for i, weight in enumerate(_LUMA))
    return red + green + blue


def brightness(images: Images, factors: Values) -> Float[Array, "B H W C"]:
    """Scales the brightness: factor 0 gives black, 1 the image."""
    return _towards(images, jnp.zeros(()), factors)


def contrast(images: Images, factors: Values) -> Float[Array, "B H W C"]:
    """Scales the contrast: factor 0 gives the image's mean brightness everywhere, 1 the image."""
    return _towards(images, luma(images).mean((1, 2, 3), keepdims=True), factors)


def saturation(images: Images, factors: Values) -> Float[Array, "B H W C"]:
    """Scales the saturation: factor 0 gives a grey image (still of 3 channels), 1 the image."""
    return _towards(images, luma(images), factors)


def hue(images: Float[Array | np.ndarray, "B H W 3"], turns: Values) -> Float[Array, "B H W 3"]:
    """Turns the hue of HSV; 1 is a whole turn, 1/3 makes red green."""
    red, green, blue = images[..., 0], images[..., 1], images[..., 2]
    value = images.max(-1)
    chroma = value - images.min(-1)
    divisor = jnp.where(chroma > 0, chroma, 1)
    # Not `value == red`: XLA may round the two differently.
    sixths = jnp.where(
        (red >= green) & (red >= blue),
        (green - blue) / divisor,
        jnp.where(green >= blue, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
    )
    sixths = sixths + 6 * turns[:, None, None]

    def channel(offset: int) -> Array:
        place = (offset + sixths) % 6
        return value - chroma * jnp.clip(jnp.minimum(place, 4 - place), 0, 1)

    return jnp.stack([channel(5), channel(3), channel(1)], -1)
