"""The loss of JPEG on the device: an 8×8 cosine transform whose coefficients are rounded (ITU-T T.81).

Every channel is treated as brightness, with the luminance table of Annex K scaled as libjpeg does; nothing is
subsampled. Grey images so lose what they lose in a file; colours lose less than there.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

_SIDE = 8
# ITU-T T.81, table K.1.
_LUMINANCE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)


def table(quality: Float[Array, ""] | float) -> Float[Array, "8 8"]:
    """Returns the steps that coefficients are rounded to; `quality` from 1 to 100, as in libjpeg."""
    scale = jnp.where(quality < 50, jnp.floor(5000 / quality), 200 - 2 * quality)
    return jnp.clip(jnp.floor((_LUMINANCE * scale + 50) / 100), 1, 255)


def _cosines() -> Float[np.ndarray, "8 8"]:
    frequency, place = np.arange(_SIDE)[:, None], np.arange(_SIDE)
    cosines = np.cos((2 * place + 1) * frequency * np.pi / (2 * _SIDE))
    return cosines * np.where(frequency == 0, np.sqrt(1 / _SIDE), np.sqrt(2 / _SIDE))


def compressed(
    keys: Key[Array, " B"], images: Float[Array, "B H W C"], strength: Float[Array, ""] | float
) -> Float[Array, "B H W C"]:
    """Rounds the coefficients of each 8×8 block; the border is repeated to whole blocks.

    Args:
        keys: not used.
        images: 0–255.
        strength: 100 − quality, 0 to 99.
    """
    del keys
    rows, height, width, channels = images.shape
    pads = [(0, 0), *((0, -size % _SIDE) for size in (height, width)), (0, 0)]
    padded = jnp.pad(images, pads, mode="edge") - 128
    down, across = padded.shape[1] // _SIDE, padded.shape[2] // _SIDE
    blocks = padded.reshape(rows, down, _SIDE, across, _SIDE, channels)
    cosines, steps = jnp.asarray(_cosines(), jnp.float32), table(100 - strength)
    coefficients = jnp.einsum("uy,bpyqxc,vx->bpqcuv", cosines, blocks, cosines)
    rounded = jnp.round(coefficients / steps) * steps
    restored = jnp.einsum("uy,bpqcuv,vx->bpyqxc", cosines, rounded, cosines)
    return restored.reshape(padded.shape)[:, :height, :width] + 128
