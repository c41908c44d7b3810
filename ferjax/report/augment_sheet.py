"""Draws a contact sheet of a config's augmentation, so that a person can check it."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict
from PIL import Image, ImageDraw, ImageFont

from ferjax import config as ferjax_config
from ferjax.augment import augment, extra, mix
from ferjax.augment.crops import random_crop
from ferjax.data.sources import Source
from ferjax.report.palette import LIGHT
from ferjax.training.splits import load_split

COLUMNS = 8
_TILE = 96  # pixels; the least size of a tile
_GAP = 6
_TITLE_WIDTH = 132
_CAPTION = 15
_MIXING = ("mixup", "cutmix")
# The options in the order of the sheet, and how their strength is written.
_NOTES = {
    "flip": "", "rotate": "± {}°", "translate": "± {}", "scale": "± {}", "shear": "± {}°",
    "random_crop": "up to {}", "elastic": "up to {}", "brightness": "± {}", "contrast": "± {}",
    "saturation": "± {}", "hue": "± {}", "grey": "p = {}", "randaugment": "{} an image",
    "erase": "p = {}", "mixup": "alpha = {}", "cutmix": "alpha = {}",
}  # fmt: skip


class Row(NamedTuple):
    """A line of the sheet: what it shows, uint8 images `[N, H, W, C]`, and a caption for each (or none)."""

    title: str
    note: str
    images: np.ndarray
    captions: Sequence[str] = ()


def rows(source: Source, config: ConfigDict, seed: int = 0) -> list[Row]:
    """Makes the originals, each option that is on alone, and all of them together at two steps.

    Args:
        source: the training split, at the size that training reads it.
        config: the run's config.
        seed: seed of the random draws.
    """
    chosen = _of_each_class(source.labels)
    labels, originals = source.labels[chosen], source.take(chosen)["image"]
    names, key = tuple(source.label_names), jax.random.key(seed)
    lines = [Row("original", "", originals, [names[label] for label in labels])]
    if config.data.source_size:
        originals = np.asarray(random_crop(key, jnp.asarray(originals), config.data.image_size))
        lines.append(Row("crop", f"{config.data.source_size} → {config.data.image_size} pixels", originals))
    for name, words in _NOTES.items():
        if not config.augment[name]:
            continue
        alone = ferjax_config.defaults().augment
        alone.update({"flip": False, name: config.augment[name]})
        alone.randaugment_magnitude = config.augment.randaugment_magnitude
        note = words.format(f"{config.augment[name]:g}")
        lines.append(_row(key, name.replace("_", " "), note, originals, labels, names, alone))
    for name, _, strength in extra.parse(config.augment.extra):
        alone = ferjax_config.defaults().augment
        alone.update(flip=False, extra=f"{name}={strength}")
        title = name.rpartition(":")[2].replace("_", " ")
        lines.append(_row(key, title, f"{strength:g}", originals, labels, names, alone))
    for step in range(2):
        title = "all together" if step == 0 else ""
        key = jax.random.fold_in(key, step)
        lines.append(_row(key, title, f"step {step}", originals, labels, names, config.augment))
    return lines


def _row(
    key: jax.Array,
    title: str,
    note: str,
    images: np.ndarray,
    labels: np.ndarray,
    names: Sequence[str],
    group: ConfigDict,
) -> Row:
    augmented = augment(key, jnp.asarray(images), group)
    changed, targets = mix(key, augmented, jnp.asarray(labels), len(names), group)
    mixed = any(group[name] for name in _MIXING)
    captions = [_shares(target, names) for target in np.asarray(targets)] if mixed else ()
    return Row(title, note, np.asarray(changed), captions)


def _shares(target: np.ndarray, names: Sequence[str]) -> str:
    """Formats a soft label of at most two classes: `62% happy · 38% sad`."""
    order = np.argsort(-target, kind="stable")[:2].tolist()
    largest = [index for index in order if target[index] >= 0.005]
    if len(largest) == 1:
        return names[int(largest[0])]
    return " · ".join(f"{100 * float(target[index]):.0f}% {names[index]}" for index in largest)


def _of_each_class(labels: np.ndarray) -> np.ndarray:
    """Returns the indices of `COLUMNS` examples, taken from the classes in turn."""
    places = {label: np.flatnonzero(labels == label) for label in np.unique(labels)}
    turns = [members[turn] for turn in range(COLUMNS) for members in places.values() if turn < len(members)]
    return np.array(turns[:COLUMNS])


def draw(lines: Sequence[Row]) -> Image.Image:
    """Draws the sheet: a title at the left of each line of tiles."""
    widest = max(line.images.shape[2] for line in lines)
    tile = widest * max(1, round(_TILE / widest))
    heights = [tile + (_CAPTION if line.captions else 0) + _GAP for line in lines]
    columns = max(len(line.images) for line in lines)
    width = _TITLE_WIDTH + columns * (tile + _GAP) + _GAP
    sheet = Image.new("RGB", (width, sum(heights) + 2 * _GAP), LIGHT["surface"])
    pen = ImageDraw.Draw(sheet)
    bold, small = ImageFont.load_default(15), ImageFont.load_default(11)
    y = 2 * _GAP
    for line, height in zip(lines, heights, strict=True):
        middle = y + tile // 2
        pen.text((2 * _GAP, middle), line.title, LIGHT["ink"], bold, anchor="lb" if line.note else "lm")
        pen.text((2 * _GAP, middle + 3), line.note, LIGHT["muted"], small, anchor="lt")
        for column, image in enumerate(line.images):
            x = _TITLE_WIDTH + column * (tile + _GAP)
            sheet.paste(_tile(image, tile), (x, y))
            if line.captions:
                place = (x + tile // 2, y + tile + _CAPTION - 4)
                pen.text(place, line.captions[column], LIGHT["muted"], small, anchor="ms")
        y += height
    return sheet


def _tile(image: np.ndarray, size: int) -> Image.Image:
    """Enlarges an image to the tile's size; its pixels stay visible."""
    picture = Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).convert("RGB")
    return picture.resize((size, size), Image.Resampling.NEAREST)


def sheet(config: ConfigDict, seed: int = 0) -> Image.Image:
    """Draws the sheet of a run's config, on its training set."""
    return draw(rows(load_split(config, "train", cache="stream"), config, seed))
