"""Maps each pixel of a toon to a part of the face; heat maps are measured against these regions.

The embedded data set stores the pose and the drawn parts of every image, so the place of everything is known.
Mouth, brows, eyes and nose are the canonical boxes of the style (`ToonStyle.boxes`), moved by the pose: a box
holds its part for every variant, so a part has the same area for every class. A pixel in two boxes (brows may
hang into the eyes) goes to the box whose middle is nearer, in units of the box's own size. Drawing the toon
again over black and over white separates the person from the background: background inside a box does not
count as its part; skin, hair and clothes outside all boxes are the region `person`. Shapes in front of the
face are not known: heat on them counts for what they hide.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Num, UInt8

from ferjax.data.builders.toons import Toons
from ferjax.data.builders.toons_pose import SIZE
from ferjax.data.builders.toons_render import draw_face
from ferjax.data.builders.toons_table import STYLES
from ferjax.errors import UserError

# A region's number in a map is its index here.
REGIONS = ("background", "person", "brows", "eyes", "nose", "mouth")
# The regions that can show an emotion, and the boxes that they are made of.
FACE = {
    "brows": ("brow_left", "brow_right"),
    "eyes": ("eye_left", "eye_right"),
    "nose": ("nose",),
    "mouth": ("mouth",),
}
_FILLED = '<rect width="{size}" height="{size}" fill="{colour}"/>'


def style_of(dataset: str) -> str:
    """Returns the style of a set of toons.

    Raises:
        UserError: the set is no set of toons, so the places of its faces' parts are not known.
    """
    styles = {f"toons/{config.name}": config.style for config in Toons.BUILDER_CONFIGS}
    if dataset not in styles:
        raise UserError(
            f"it is not known where the parts of the faces in {dataset} lie; heat can be measured on "
            f"{', '.join(styles)}: name one with --measure_set"
        )
    return styles[dataset]


def region_maps(
    style: str, examples: Sequence[Mapping[str, Any]], size: int = SIZE
) -> UInt8[np.ndarray, "N {size} {size}"]:
    """Computes the region of every pixel of some images.

    Args:
        style: `avataaars` or `open_peeps`.
        examples: with `pose`, `identity` and `parts`, as the set stores them.
        size: pixels, both sides, that the images were resized to.

    Returns:
        uint8 `[N, size, size]`, numbers of `REGIONS`.
    """
    maps = np.empty((len(examples), size, size), np.uint8)
    for region_map, example in zip(maps, examples, strict=True):
        face = part_map(style, example["pose"], size)
        person = _resized(silhouette(style, example), size)
        region_map[:] = np.where(person, np.maximum(face, REGIONS.index("person")), 0)
    return maps


def part_map(
    style: str, pose: Float[np.ndarray, "2 3"], size: int = SIZE
) -> UInt8[np.ndarray, "{size} {size}"]:
    """Computes where brows, eyes, nose and mouth lie, whatever covers them.

    Args:
        style: `avataaars` or `open_peeps`.
        pose: float32 `[2, 3]`, canonical pixels → pixels of the 64×64 image.
        size: pixels, both sides, of the map.

    Returns:
        uint8 `[size, size]`, numbers of `REGIONS`; 0 outside of these four.
    """
    pose = np.asarray(pose, np.float64)
    rows, columns = (np.mgrid[:size, :size] + 0.5) * (SIZE / size)
    x, y = np.linalg.inv(pose[:, :2]) @ (np.stack([columns.ravel(), rows.ravel()]) - pose[:, 2:])
    numbers, depths = [], []
    for region, names in FACE.items():
        for name in names:
            x0, y0, x1, y1 = STYLES[style].boxes[name]
            across, down = (2 * x - x0 - x1) / (x1 - x0), (2 * y - y0 - y1) / (y1 - y0)
            depths.append(np.maximum(abs(across), abs(down)))  # 0 in the middle, 1 at the border
            numbers.append(REGIONS.index(region))
    nearest = np.argmin(depths, axis=0)
    regions = np.where(np.min(depths, axis=0) <= 1, np.array(numbers)[nearest], 0)
    return regions.astype(np.uint8).reshape(size, size)


def silhouette(style: str, example: Mapping[str, Any]) -> Bool[np.ndarray, "64 64"]:
    """Marks the pixels that the person covers at least by half: bool `[64, 64]`.

    Args:
        style: `avataaars` or `open_peeps`.
        example: see `region_maps`.
    """
    # The set stores the drawn parts only; every other part must be named as absent.
    absent = dict.fromkeys(STYLES[style].identity)
    parts, colours = absent | json.loads(example["parts"]), f"toons/{style}/{int(example['identity'])}"
    over_black, over_white = (
        draw_face(style, parts, colours, example["pose"], _FILLED.format(size=SIZE, colour=colour))
        for colour in ("#000", "#fff")
    )
    return (over_white.astype(int) - over_black).max(axis=-1) < 128


def on_canonical(
    maps: Num[np.ndarray, "N H W"], poses: Float[np.ndarray, "N 2 3"]
) -> Float[np.ndarray, "N 64 64"]:
    """Aligns maps so that every face has the canonical place and size.

    Args:
        maps: `[N, H, W]`.
        poses: float `[N, 2, 3]`, canonical pixels → pixels of the maps.

    Returns:
        float32 `[N, 64, 64]`, by the nearest pixel; NaN outside the image.
    """
    height, width = maps.shape[1:]
    rows, columns = np.mgrid[:SIZE, :SIZE] + 0.5
    points = np.stack([columns.ravel(), rows.ravel(), np.ones(SIZE * SIZE)])
    aligned = np.full((len(maps), SIZE * SIZE), np.nan, np.float32)
    for out, one, pose in zip(aligned, maps, poses, strict=True):
        x, y = np.floor(np.asarray(pose, np.float64) @ points).astype(int)
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        out[inside] = one[y[inside], x[inside]]
    return aligned.reshape(-1, SIZE, SIZE)


def _resized(mask: np.ndarray, size: int) -> np.ndarray:
    """Resizes a mask by the nearest pixel."""
    places = ((np.arange(size) + 0.5) * len(mask) / size).astype(int)
    return mask[np.ix_(places, places)]
