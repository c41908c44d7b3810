"""Resizes decoded images: as PIL does it, which reads every pixel, or as OpenCV does.

Both give the same bytes as the library they are named after, so that a network trained elsewhere sees what it
was trained on.
"""

from typing import NamedTuple

import numpy as np
from PIL import Image

FILTERS = ("pil", "opencv", "draft")
# OpenCV's weights are multiples of 1/2048; after both axes 22 bits are shifted out, in these steps.
_ONE, _FIRST, _SECOND, _LAST = 2048, 4, 16, 2


def resize(image: np.ndarray, size: int, filter: str = "pil") -> np.ndarray:
    """Stretches an image to a square.

    Args:
        image: uint8 `[H, W, C]`, C is 1 or 3.
        size: height and width of the result.
        filter: `pil` is PIL's bilinear filter, whose support grows with the reduction (it antialiases).
            `opencv` is `cv2.resize` as it is by default: four neighbours of each point, however far they are
            apart (large reductions alias), in OpenCV's fixed-point arithmetic. `draft` is `pil`: it tells
            `ferjax.data.images.decode` to leave out what is not needed of a large JPEG.

    Returns:
        uint8 `[size, size, C]`.
    """
    if filter == "opencv":
        return _opencv(image, size)
    shown = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image)
    resized = np.asarray(shown.resize((size, size), Image.Resampling.BILINEAR))
    return resized[:, :, None] if resized.ndim == 2 else resized


class _Taps(NamedTuple):
    """The two neighbours of each output point along an axis, and their weights, in 1/2048."""

    before: np.ndarray
    after: np.ndarray
    weight_before: np.ndarray
    weight_after: np.ndarray


def _taps(length: int, size: int, clamp_weights: bool) -> _Taps:
    points = ((np.arange(size) + 0.5) * (length / size) - 0.5).astype(np.float32)
    before = np.floor(points).astype(np.int64)
    part = (points - before).astype(np.float32)
    if clamp_weights:
        # OpenCV does so along rows; along columns it adds the border's line to itself.
        part[(before < 0) | (before >= length - 1)] = 0
    weights = [np.rint(share * np.float32(_ONE)).astype(np.int64) for share in (np.float32(1) - part, part)]
    return _Taps(before.clip(0, length - 1), (before + 1).clip(0, length - 1), *weights)


def _opencv(image: np.ndarray, size: int) -> np.ndarray:
    height, width = image.shape[:2]
    values = image.astype(np.int64)
    if (height, width) == (2 * size, 2 * size):
        # OpenCV takes the mean of each 2×2 window here, which rounds another way.
        return ((values.reshape(size, 2, size, 2, -1).sum((1, 3)) + 2) >> 2).astype(np.uint8)
    x, y = _taps(width, size, clamp_weights=True), _taps(height, size, clamp_weights=False)
    rows = values[:, x.before] * x.weight_before[:, None] + values[:, x.after] * x.weight_after[:, None]
    rows >>= _FIRST
    above = (rows[y.before] * y.weight_before[:, None, None]) >> _SECOND
    below = (rows[y.after] * y.weight_after[:, None, None]) >> _SECOND
    return ((above + below + (1 << (_LAST - 1))) >> _LAST).astype(np.uint8)
