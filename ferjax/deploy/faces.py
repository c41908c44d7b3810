"""Finds the faces in a picture, by YuNet (`ferjax.deploy.yunet`), and the eyes of tilted heads."""

import math

import numpy as np
from PIL import Image

from ferjax.deploy import search
from ferjax.deploy.face import Face, area, crop, square, tilt
from ferjax.deploy.tracks import overlap
from ferjax.inference.trained import USUAL_MARGIN

TILES = 15  # that a large picture is searched in at most: a photograph of 16:9 at 2,560 pixels, 5 × 3
# In a whole picture the detector places the eyes of tilted heads almost level; in a close crop it sees the
# tilt, up to about 25 degrees. So each face is cropped with this room around it, resized to so many pixels
# and detected again, this often at most, until it is level enough.
_ROOM, _CLOSE, _LOOKS, _LEVEL_ENOUGH = 0.3, 320, 2, math.radians(4)
_LEAST = 0.2  # score from which the close crop counts
_SAME = 0.3  # intersection over union from which it shows the same face


class Detector:
    """Finds faces; safe to use from several threads.

    Args:
        min_score: faces with a lower score are left out.
        tiles: how many tiles a large picture is searched in at most, for small faces, see
            `ferjax.deploy.search`; 0: it is only searched as a whole.
        most: how many faces of a picture are reported, the largest; None: all.
    """

    def __init__(self, min_score: float = 0.6, tiles: int = TILES, most: int | None = None) -> None:
        self._min_score, self._tiles, self._most = min_score, tiles, most

    def find(self, image: np.ndarray, tiles: int | None = None) -> list[Face]:
        """Finds the faces of a picture, the largest first.

        Args:
            image: uint8 `[H, W, 3]`, RGB, upright.
            tiles: instead of the detector's own number.
        """
        faces = search.find(image, self._tiles if tiles is None else tiles, self._min_score)
        largest = sorted(faces, key=area, reverse=True)[: self._most]
        return [_closer(image, face) for face in largest]  # which moves the eyes, and no box

    def cut(self, image: np.ndarray, margin: float = USUAL_MARGIN) -> list[np.ndarray]:
        """Finds the faces of a picture and cuts each out, the largest first: uint8 `[side, side, 3]`.

        Args:
            image: uint8 `[H, W, 3]`, RGB, upright.
            margin: see `ferjax.deploy.face.crop`.
        """
        return [crop(image, face, margin) for face in self.find(image)]


def warm_up() -> None:
    """Compiles the detector's programs, so that the first picture need not wait for it."""
    for side in (search.SIDE, _CLOSE):
        search.look(np.zeros((side, side, 3), np.uint8))


def _closer(image: np.ndarray, face: Face) -> Face:
    """Finds the eyes again in a close crop of the face, turned upright by the eyes found before."""
    inner = _CLOSE * _ROOM / (1 + 2 * _ROOM)
    expected = (inner, inner, _CLOSE - inner, _CLOSE - inner)
    for _ in range(_LOOKS):
        x, y, side, turn = square(face, _ROOM)
        near = Image.fromarray(crop(image, face, _ROOM)).resize((_CLOSE, _CLOSE))
        scores, boxes, eyes = search.look(np.asarray(near))
        best = int(scores.argmax())
        if scores[best] < _LEAST or overlap(tuple(boxes[best].tolist()), expected) < _SAME:
            break
        cos, sin = math.cos(turn), math.sin(turn)
        offsets = eyes[best] * side / _CLOSE - side / 2
        first, second = ((x + cos * u - sin * v, y + sin * u + cos * v) for u, v in offsets.tolist())
        face = face._replace(eyes=(first, second))
        if abs(tilt(face) - turn) < _LEVEL_ENOUGH:
            break
    return face
