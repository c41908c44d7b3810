"""Photographs a toon: lays something in front of it, changes light, adds blur and noise. Pure NumPy."""

from typing import NamedTuple

import numpy as np

from ferjax.data.seeded import Draws
from ferjax.data.toons.pose import SIZE
from ferjax.data.toons.table import Box, Conditions

_TRIES = 8
_MOST_HIDDEN = 0.3


def occlude(image: np.ndarray, boxes: dict[str, Box], draws: Draws, conditions: Conditions) -> np.ndarray:
    """Sometimes lays a plain disc or rectangle over a part of the face.

    Most of the mouth and of one side (brow and eye) stay in sight, so that a person can still tell the class.

    Args:
        image: uint8 [64, 64, 3].
        boxes: where the parts lie, from `part_boxes`.
        draws: where the shape comes from.
        conditions: how often.

    Returns:
        uint8 [64, 64, 3].
    """
    if not draws.chance(conditions.occlusion):
        return image
    colour = [draws.below(256) for _ in range(3)]
    for _ in range(_TRIES):
        shape = _shape(draws)
        hidden = {part: _hidden(shape, box) for part, box in boxes.items()}
        sides = [max(hidden[f"brow_{side}"], hidden[f"eye_{side}"]) for side in ("left", "right")]
        if max(hidden["mouth"], min(sides)) <= _MOST_HIDDEN:
            return np.where(shape[:, :, None], np.array(colour, np.uint8), image)
    return image


def _shape(draws: Draws) -> np.ndarray:
    """Draws a random disc or rectangle: bool [64, 64]."""
    x, y = draws.between(6, SIZE - 6), draws.between(6, SIZE - 6)
    half_width, half_height = draws.between(3, 11), draws.between(3, 11)
    rows, columns = np.mgrid[:SIZE, :SIZE] + 0.5
    u, v = (columns - x) / half_width, (rows - y) / half_height
    return u * u + v * v <= 1 if draws.chance(0.5) else np.maximum(np.abs(u), np.abs(v)) <= 1


def _hidden(shape: np.ndarray, box: Box) -> float:
    """Returns the share of a box that a shape hides."""
    x0, y0, x1, y1 = (min(max(round(edge), 0), SIZE) for edge in box)
    return float(shape[y0:y1, x0:x1].mean()) if x1 > x0 and y1 > y0 else 0.0


class Light(NamedTuple):
    """How a picture is taken.

    Attributes:
        contrast: factor on the distance from mid-grey.
        brightness: what every pixel gains, grey levels.
        across: relative change of light from the middle to the right border.
        down: likewise to the lower border.
        passes: of the kernel that blurs.
        deviation: of the pixel noise, grey levels.
    """

    contrast: np.float32
    brightness: np.float32
    across: np.float32
    down: np.float32
    passes: int
    deviation: np.float32


def draw_light(draws: Draws, conditions: Conditions) -> Light:
    """Draws how a picture is taken; `conditions` say how far it may differ from a clean drawing."""
    contrast = np.float32(draws.between(*conditions.contrast))
    brightness = np.float32(draws.between(-conditions.brightness, conditions.brightness))
    across, down = (np.float32(draws.between(-1, 1) * conditions.gradient) for _ in range(2))
    passes = sum(draws.chance(conditions.blur) for _ in range(3))
    return Light(contrast, brightness, across, down, passes, np.float32(draws.between(0, conditions.noise)))


def photograph(image: np.ndarray, light: Light, draws: Draws) -> np.ndarray:
    """Changes brightness, contrast and the fall of light, then blurs and adds noise.

    Args:
        image: uint8 [64, 64, 3].
        light: how much of each.
        draws: where the noise comes from.

    Returns:
        uint8 [64, 64, 3].
    """
    pixels = (image.astype(np.float32) - 128) * light.contrast + (128 + light.brightness)
    ramp = np.linspace(-1, 1, SIZE, dtype=np.float32)
    pixels = pixels * (1 + light.across * ramp[None, :, None] + light.down * ramp[:, None, None])
    for _ in range(light.passes):
        pixels = _smooth(_smooth(pixels, 0), 1)
    pixels = pixels + light.deviation * draws.noise(pixels.shape)
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def _smooth(pixels: np.ndarray, axis: int) -> np.ndarray:
    """One pass of the kernel 1-2-1 along an axis (deviation 0.7 pixels), borders repeated."""
    widths = [(1, 1) if axis == i else (0, 0) for i in range(3)]
    padded = np.pad(pixels, widths, mode="edge")
    before, after = (np.take(padded, range(start, start + SIZE), axis) for start in (0, 2))
    return (before + 2 * pixels + after) / 4
