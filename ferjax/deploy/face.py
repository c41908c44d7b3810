"""A face in a picture, and how it is cut out upright."""

import math
from typing import NamedTuple

import numpy as np
from PIL import Image

from ferjax.inference.trained import USUAL_MARGIN

_LEVEL = math.radians(1)  # a face that is tilted by less is not turned
# A square is placed to a quarter of a pixel and turned to a quarter of a degree. In another runtime the
# detector's places differ by up to 1/1000 of a pixel, which would change pixels of turned squares.
_STEPS = 4


class Face(NamedTuple):
    """A face, in the picture's pixels.

    Attributes:
        box: (left, top, right, bottom).
        score: the detector's confidence, 0 to 1.
        eyes: ((x, y), (x, y)); the person's right eye first, which is on the left of an upright picture.
    """

    box: tuple[float, float, float, float]
    score: float
    eyes: tuple[tuple[float, float], tuple[float, float]]


def crop(image: np.ndarray, face: Face, margin: float = USUAL_MARGIN) -> np.ndarray:
    """Cuts out a square around a face, turned so that the eyes are level.

    Beyond the picture its edges are repeated.

    Args:
        image: uint8 `[H, W, 3]`.
        face: a face of that picture.
        margin: room added on each side, as a share of the box's longer side; a network's own is
            `ferjax.inference.classifier.Classifier.margin`.

    Returns:
        uint8 `[side, side, 3]`; the picture's own pixels if the face is level.
    """
    x, y, side, turn = square(face, margin)
    if abs(turn) < _LEVEL:
        return _window(image, round(x - side / 2), round(y - side / 2), side)
    wide = math.ceil(side * math.sqrt(2)) + 2  # holds the square, however it is turned
    first_x, first_y = math.floor(x - wide / 2), math.floor(y - wide / 2)
    patch = Image.fromarray(_window(image, first_x, first_y, wide))
    cos, sin = math.cos(turn), math.sin(turn)
    # Output pixel (u, v) is read at centre + rotation · (u − side/2, v − side/2).
    from_x = x - first_x - (cos - sin) * side / 2
    from_y = y - first_y - (sin + cos) * side / 2
    rotation = (cos, -sin, from_x, sin, cos, from_y)
    return np.asarray(
        patch.transform((side, side), Image.Transform.AFFINE, rotation, Image.Resampling.BICUBIC)
    )


def square(face: Face, margin: float) -> tuple[float, float, int, float]:
    """Computes the square to cut out: its middle x and y, its side, and its clockwise turn in radians.

    The middle is a multiple of a quarter of a pixel, the turn of a quarter of a degree.
    """
    left, top, right, bottom = face.box
    side = max(round(max(right - left, bottom - top) * (1 + 2 * margin)), 1)
    x, y, degrees = (
        round(_STEPS * value) / _STEPS
        for value in ((left + right) / 2, (top + bottom) / 2, math.degrees(tilt(face)))
    )
    return x, y, side, math.radians(degrees)


def area(face: Face) -> float:
    """Computes the pixels of a face's box."""
    left, top, right, bottom = face.box
    return (right - left) * (bottom - top)


def tilt(face: Face) -> float:
    """Computes the angle between the line of the eyes and the picture's rows, clockwise, in radians."""
    (right_x, right_y), (left_x, left_y) = face.eyes
    return math.atan2(left_y - right_y, left_x - right_x)


def _window(image: np.ndarray, left: int, top: int, side: int) -> np.ndarray:
    """Cuts out a square; beyond the picture its edges are repeated."""
    height, width = image.shape[:2]
    if 0 <= left <= width - side and 0 <= top <= height - side:
        return image[top : top + side, left : left + side].copy()  # many times as fast as by indices
    rows = np.arange(top, top + side).clip(0, image.shape[0] - 1)
    columns = np.arange(left, left + side).clip(0, image.shape[1] - 1)
    return image[rows[:, None], columns]
