"""Poses of a toon's face: the matrix that moves it, and the boxes of its parts.

A pose is float32 [2, 3], in pixels. It maps a point of the canonical face to the point of the image that
shows it: `[x', y'] = pose @ [x, y, 1]`, with x to the right, y down and the middle of the top left pixel at
(0.5, 0.5). Canonical faces and images are both 64×64.
"""

import math

import numpy as np

from ferjax.data.seeded import Draws
from ferjax.data.toons.table import STYLES, Box, Conditions

SIZE = 64
IDENTITY = np.array([[1, 0, 0], [0, 1, 0]], np.float32)


def draw_pose(draws: Draws, conditions: Conditions) -> np.ndarray:
    """Draws a random pose: a turn, a size, a stretch, sometimes a mirror image, and a shift.

    Returns:
        float32 [2, 3], canonical pixels → image pixels. Its determinant is negative for a mirrored face.
    """
    angle = math.radians(draws.between(-conditions.rotation, conditions.rotation))
    scale = draws.between(*conditions.scale)
    stretch = draws.between(-conditions.stretch / 2, conditions.stretch / 2)
    mirror = -1.0 if draws.chance(0.5) else 1.0
    shift = np.array([draws.between(-conditions.shift, conditions.shift) for _ in range(2)])
    cos, sin = math.cos(angle), math.sin(angle)
    linear = np.array([[cos, -sin], [sin, cos]]) * [mirror * scale * (1 + stretch), scale * (1 - stretch)]
    centre = np.full(2, SIZE / 2)
    # Sums, not a matrix product: BLAS may round differently from machine to machine.
    return np.column_stack([linear, centre + shift - (linear * centre).sum(axis=1)]).astype(np.float32)


def part_boxes(style: str, pose: np.ndarray = IDENTITY) -> dict[str, Box]:
    """Returns the box of each part of a face in its image.

    Args:
        style: `avataaars` or `open_peeps`.
        pose: float32 [2, 3], canonical pixels → image pixels. The identity gives the canonical boxes.

    Returns:
        `brow_left`, `brow_right`, `eye_left`, `eye_right`, `nose`, `mouth` (left and right as seen in the
        canonical face) → x0, y0, x1, y1 in image pixels: the upright box around the moved canonical box,
        which holds the part whatever its variant. Boxes are not cut at the border of the image.
    """
    boxes = {}
    for part, (x0, y0, x1, y1) in STYLES[style].boxes.items():
        corners = np.array([[x0, x1, x0, x1], [y0, y0, y1, y1], [1, 1, 1, 1]], np.float64)
        xs, ys = np.asarray(pose, np.float64) @ corners
        boxes[part] = (float(xs.min()), float(ys.min()), float(xs.max()), float(ys.max()))
    return boxes
