"""Turns heat maps into pictures, transparent where there is no heat, to lie on a face."""

import io

import numpy as np
from jaxtyping import Float
from PIL import Image

# Percentile of the heat that gets the strongest colour; hotter pixels get the same.
_CUT = 99.5
# (value, red, green, blue, opacity in [0, 1]): warm for the class, cold against it. People with any colour
# vision can tell them apart, and stronger is darker, so that grey prints keep the order.
WARM = (
    (0.0, 255, 214, 90, 0.0),
    (0.35, 255, 170, 40, 0.45),
    (0.7, 232, 78, 27, 0.72),
    (1.0, 186, 10, 62, 0.92),
)
COLD = (
    (0.0, 150, 205, 255, 0.0),
    (0.35, 96, 165, 250, 0.45),
    (0.7, 40, 99, 225, 0.72),
    (1.0, 36, 40, 160, 0.92),
)
_LEVELS = 127  # of each sign; with zero they fit into a byte


def scaled(heat: Float[np.ndarray, "N H W"]) -> Float[np.ndarray, "N H W"]:
    """Scales each map by its own largest value to [−1, 1]; 0 stays 0.

    The hottest half percent of the pixels are all 1: a single hot pixel would leave the rest without colour.
    """
    strength = np.percentile(np.abs(heat), _CUT, axis=(1, 2), keepdims=True)
    largest = np.abs(heat).max(axis=(1, 2), keepdims=True)
    strength = np.where(strength > 0, strength, largest)
    return np.clip(np.divide(heat, strength, out=np.zeros_like(heat), where=strength > 0), -1, 1)


def png(values: Float[np.ndarray, "H W"]) -> bytes:
    """Encodes a map in [−1, 1] as a PNG with a palette: cold colours below 0, none at 0, warm ones above."""
    levels = np.rint(values * _LEVELS).astype(np.int64) + _LEVELS
    picture = Image.fromarray(levels.astype(np.uint8), "P")
    picture.putpalette(_PALETTE[:, :3].tobytes())
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", transparency=_PALETTE[:, 3].tobytes(), optimize=True)
    return buffer.getvalue()


def gradient(stops: tuple[tuple[int | float, ...], ...], towards: str = "to right") -> str:
    """Writes the colours as a CSS gradient, for a legend."""
    colours = ", ".join(f"rgba({r}, {g}, {b}, {a}) {100 * at:.0f}%" for at, r, g, b, a in stops)
    return f"linear-gradient({towards}, {colours})"


def _palette() -> np.ndarray:
    """Interpolates the colours: uint8 `[255, 4]`, RGBA."""
    shares = np.linspace(0, 1, _LEVELS + 1)

    def colours(stops: tuple[tuple[int | float, ...], ...]) -> np.ndarray:
        at, *channels = np.array(stops).T
        channels[3] = channels[3] * 255
        return np.stack([np.interp(shares, at, channel) for channel in channels], axis=-1)

    both = np.concatenate([colours(COLD)[:0:-1], colours(WARM)])
    return np.rint(both).astype(np.uint8)


_PALETTE = _palette()
