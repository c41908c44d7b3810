"""Searches a picture for faces of all sizes: as a whole, then in overlapping tiles, all merged.

The network sees faces of 32 pixels and more where the picture is large enough for them. A picture is reduced
to one square; a larger one is searched again, finer, in as many squares as may be looked at. So the time is
bounded however large the picture is.
"""

import functools
import math
from collections.abc import Callable, Iterator

import jax
import numpy as np
from PIL import Image

from ferjax.deploy import yunet
from ferjax.deploy.face import Face

SIDE = 640  # pixels of the square that the network sees; a second size would be compiled again
# Pixels that neighbouring tiles share. Larger faces may be cut by every tile, so they are left to the whole
# picture, in which they have the pixels that are needed unless it is long and narrow. What looks like a
# large face in a tile is often none.
_SHARED, _NEEDED = 160, 40
# A picture that is reduced by less than this to fit the square is not searched again.
_HARDLY = 1.5
_SAME = 0.4  # intersection over union from which two boxes are one face
_EDGE = 2.0  # pixels: a box that comes this near to a tile's edge is of a cut face


def find(image: np.ndarray, tiles: int, min_score: float) -> list[Face]:
    """Finds the faces of a picture, the surest first.

    Args:
        image: uint8 `[H, W, 3]`, RGB.
        tiles: how many tiles are searched at most, beside the whole; 0: none.
        min_score: faces with a lower score are left out.
    """
    height, width, _ = image.shape
    coarse = min(1.0, SIDE / max(height, width))
    found = _found(image, coarse, min_score)
    if coarse * _HARDLY < 1 and tiles:
        fine = _finest((height, width), tiles)
        largest = max(_SHARED / fine, _NEEDED / coarse)
        found += [face for face in _found(image, fine, min_score) if _longer(face) <= largest]
    return _merged(found)


def look(square: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Computes scores `[N]`, boxes `[N, 4]` and eyes `[N, 2, 2]` of uint8 `[S, S, 3]`, S a multiple of 32."""
    values, compute = _network()
    scores, boxes, eyes = jax.device_get(compute(values, square[None]))
    return scores[0], boxes[0], eyes[0]


@functools.cache
def _network() -> tuple[yunet.Weights, Callable[..., yunet.Boxes]]:
    return jax.device_put(yunet.weights()), jax.jit(yunet.boxes)


def _finest(shape: tuple[int, int], tiles: int) -> float:
    """Returns the largest scale, at most 1, at which at most so many tiles, one or more, cover a picture."""
    steps = [(SIDE - _SHARED) * count + _SHARED for count in range(1, tiles + 1)]
    scales = [1.0, *(step / side for side in shape for step in steps if step < side)]
    return max(scale for scale in scales if _tiles(shape, scale) <= tiles)


def _tiles(shape: tuple[int, int], scale: float) -> int:
    return math.prod(len(_starts(max(1, round(side * scale)))) for side in shape)


def _starts(side: int) -> list[int]:
    """Returns where the tiles along a side begin, evenly spread."""
    count = max(1, math.ceil((side - _SHARED) / (SIDE - _SHARED)))
    return [round(index * (side - SIDE) / (count - 1)) for index in range(count)] if count > 1 else [0]


def _found(image: np.ndarray, scale: float, min_score: float) -> list[Face]:
    """Finds the faces of a picture at a scale, new / original; several times where tiles overlap."""
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    if scale < 1:
        size = (width, height)
        image = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR, reducing_gap=2))
    faces = []
    for left, top, tile in _squares(image):
        scores, boxes, eyes = look(tile)
        sure = scores >= min_score
        if left or top or width > SIDE or height > SIDE:
            sure &= _whole(boxes, (left, top), (width, height))
        place = np.array((left, top), np.float32)
        for score, box, pair in zip(scores[sure], boxes[sure], eyes[sure], strict=True):
            (left_x, top_y), (right_x, bottom_y) = ((box.reshape(2, 2) + place) / scale).tolist()
            (first_x, first_y), (second_x, second_y) = ((pair + place) / scale).tolist()
            corners, points = (left_x, top_y, right_x, bottom_y), ((first_x, first_y), (second_x, second_y))
            faces.append(Face(corners, float(score), points))
    return faces


def _longer(face: Face) -> float:
    left, top, right, bottom = face.box
    return max(right - left, bottom - top)


def _squares(image: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yields the left, the top and the pixels of each tile, filled up with black."""
    for top in _starts(image.shape[0]):
        for left in _starts(image.shape[1]):
            tile = np.zeros((SIDE, SIDE, 3), np.uint8)
            part = image[top : top + SIDE, left : left + SIDE]
            tile[: part.shape[0], : part.shape[1]] = part
            yield left, top, tile


def _whole(boxes: np.ndarray, place: tuple[int, int], picture: tuple[int, int]) -> np.ndarray:
    """Says which boxes `[N, 4]` of a tile are not cut by an edge that is inside the picture."""
    whole = np.ones(len(boxes), bool)
    for axis in range(2):
        if place[axis]:
            whole &= boxes[:, axis] > _EDGE
        if place[axis] + SIDE < picture[axis]:
            whole &= boxes[:, axis + 2] < SIDE - _EDGE
    return whole


def _merged(faces: list[Face]) -> list[Face]:
    """Keeps the surest of boxes that overlap."""
    faces = sorted(faces, key=lambda face: -face.score)
    boxes = np.array([face.box for face in faces]).reshape(-1, 4)
    kept: list[Face] = []
    left = np.arange(len(faces))
    while left.size:
        first, rest = left[0], left[1:]
        kept.append(faces[first])
        left = rest[_overlaps(boxes[first], boxes[rest]) < _SAME]
    return kept


def _overlaps(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Computes `ferjax.deploy.tracks.overlap` of a box `[4]` and each of `[N, 4]`: `[N]`.

    A picture can be made to show thousands of faces, with several boxes each.
    """
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = sides.clip(0).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod()
    return np.divide(shared, areas - shared, out=np.zeros_like(shared), where=shared > 0)
