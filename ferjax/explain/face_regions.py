"""Which part of a toon each pixel of its image shows: what a heat map is measured against.

An image of the embedded data set tells its pose and what was drawn, so the place of everything is known.
Mouth, brows, eyes and nose are the canonical boxes of the style (`ToonStyle.boxes`), moved by the pose: a box
holds its part whatever the variant, so a part has the same area for every class. A pixel that lies in two
boxes (brows may hang into the eyes) goes to the one whose middle is nearer, in units of the box's own size.
The person is told from the background by drawing it again over black and over white: what a box holds of the
background is not of its part, and skin, hair and clothes outside of all boxes are the rest of the person. A
shape in front of the face is not known: heat on it counts for what it hides.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ferjax.data.sets.toons import Toons
from ferjax.data.toons.pose import SIZE
from ferjax.data.toons.render import draw_face
from ferjax.data.toons.table import STYLES
from ferjax.errors import UserError

# A region's number in a map is its place here.
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
    """The style of a set of toons.

    Raises:
        UserError: the set is none: where the parts of its faces lie is not known.
    """
    styles = {f"toons/{config.name}": config.style for config in Toons.BUILDER_CONFIGS}
    if dataset not in styles:
        raise UserError(
            f"nobody knows where the parts of the faces in {dataset} lie; heat can be measured on "
            f"{', '.join(styles)}: name one by --measure_set"
        )
    return styles[dataset]


def region_maps(style: str, examples: Sequence[Mapping[str, Any]], size: int = SIZE) -> np.ndarray:
    """The region of every pixel of some images.

    Args:
        style: `avataaars` or `open_peeps`.
        examples: with `pose`, `identity` and `parts`, as the set stores them.
        size: pixels, both sides, that the images were stretched to.

    Returns:
        uint8 `[N, size, size]`, numbers of `REGIONS`.
    """
    maps = np.empty((len(examples), size, size), np.uint8)
    for region_map, example in zip(maps, examples, strict=True):
        face = part_map(style, example["pose"], size)
        person = _stretched(silhouette(style, example), size)
        region_map[:] = np.where(person, np.maximum(face, REGIONS.index("person")), 0)
    return maps


def part_map(style: str, pose: np.ndarray, size: int = SIZE) -> np.ndarray:
    """Brows, eyes, nose and mouth alone.

    Args:
        style: `avataaars` or `open_peeps`.
        pose: float32 `[2, 3]`, canonical pixels → pixels of the 64×64 image.
        size: pixels, both sides, of the map.

    Returns:
        uint8 `[size, size]`, numbers of `REGIONS`; 0 where there is none of them.
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
    found = np.where(np.min(depths, axis=0) <= 1, np.array(numbers)[nearest], 0)
    return found.astype(np.uint8).reshape(size, size)


def silhouette(style: str, example: Mapping[str, Any]) -> np.ndarray:
    """Where the person covers at least half of a pixel: bool `[64, 64]`.

    Args:
        style: `avataaars` or `open_peeps`.
        example: see `region_maps`.
    """
    # The set names what was drawn; all else a person might have had must be told to be absent.
    absent = dict.fromkeys(STYLES[style].identity)
    parts, colours = absent | json.loads(example["parts"]), f"toons/{style}/{int(example['identity'])}"
    over_black, over_white = (
        draw_face(style, parts, colours, example["pose"], _FILLED.format(size=SIZE, colour=colour))
        for colour in ("#000", "#fff")
    )
    return (over_white.astype(int) - over_black).max(axis=-1) < 128


def on_canonical(maps: np.ndarray, poses: np.ndarray) -> np.ndarray:
    """Turns maps so that all faces lie alike.

    Args:
        maps: `[N, H, W]`.
        poses: float `[N, 2, 3]`, canonical pixels → pixels of the maps.

    Returns:
        float32 `[N, 64, 64]`, by the nearest pixel; NaN where the image ends.
    """
    height, width = maps.shape[1:]
    rows, columns = np.mgrid[:SIZE, :SIZE] + 0.5
    points = np.stack([columns.ravel(), rows.ravel(), np.ones(SIZE * SIZE)])
    turned = np.full((len(maps), SIZE * SIZE), np.nan, np.float32)
    for out, one, pose in zip(turned, maps, poses, strict=True):
        x, y = np.floor(np.asarray(pose, np.float64) @ points).astype(int)
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        out[inside] = one[y[inside], x[inside]]
    return turned.reshape(-1, SIZE, SIZE)


def _stretched(mask: np.ndarray, size: int) -> np.ndarray:
    """To another size, by the nearest pixel."""
    places = ((np.arange(size) + 0.5) * len(mask) / size).astype(int)
    return mask[np.ix_(places, places)]
