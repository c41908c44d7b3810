"""`load`: from the name of a set and a split to a source, building or carving what is missing."""

import os
from pathlib import Path
from typing import Literal

import numpy as np

from ferjax.data import builders
from ferjax.data.records import Records, describe
from ferjax.data.sources import Source, StreamSource, into_memory
from ferjax.data.splits import carve
from ferjax.errors import UserError

_announced: set[tuple[str, float]] = set()


def load(
    name: str,
    split: str,
    data_dir: str | os.PathLike | None = None,
    *,
    image_size: int | None = None,
    channels: int | None = None,
    cache: Literal["memory", "stream"] = "memory",
    val_fraction: float = 0.1,
) -> Source:
    """Opens a split of a data set.

    Sets that ferjax draws itself are built at first use. If a set has no validation split, one is
    carved out of train (see `ferjax.data.splits.carve`), said so once, and left out of "train".

    Args:
        name: a set, see `ferjax.data.builders.TABLE`.
        split: "train", "validation" or "test".
        data_dir: where built sets are; $TFDS_DATA_DIR or ~/tensorflow_datasets if left out.
        image_size: height and width of the images, resized with PIL's antialiased bilinear filter; as
            stored if left out.
        channels: 1 or 3; as stored if left out.
        cache: "memory" decodes the whole split now; "stream" decodes what is taken. Both give the same
            bytes.
        val_fraction: the part of train that is carved, 0 ≤ f < 1; with 0 train stays whole.

    Raises:
        UserError: unknown name or split, a licensed set that is not built yet, a damaged set, or images
            that do not fit in memory.
    """
    if cache not in ("memory", "stream"):
        raise UserError(f"data cache {cache!r} is neither 'memory' nor 'stream'")
    if channels not in (None, 1, 3):
        raise UserError(f"images have 1 channel or 3, not {channels}")
    folder = _built(name, data_dir)
    carved = split in ("train", "validation") and "validation" not in describe(name, folder).splits
    records = Records(name, folder, "train" if carved else split)
    indices = _carve(records, split, val_fraction) if carved else None
    stream = StreamSource(records, indices=indices, split=split, image_size=image_size, channels=channels)
    return into_memory(stream) if cache == "memory" else stream


def _built(name: str, data_dir: str | os.PathLike | None) -> Path:
    folder = builders.folder(name, data_dir)
    if not folder.exists():
        root = builders.data_root(data_dir)
        if needed := builders.builder_class(name).MANUAL_DOWNLOAD_INSTRUCTIONS:
            raise UserError(
                f"{name} is not built in {root}. It is licensed: download it yourself into a folder that "
                f"holds {needed}; then run "
                f"python -m ferjax prepare {name} --manual_dir=FOLDER --data_dir={root}"
            )
        builders.build(builders.create(name, data_dir))
    return folder


def _carve(train: Records, split: str, fraction: float) -> np.ndarray:
    """Returns the records of `train` that belong to `split`, and says once that a set has been carved."""
    rest, held_out = carve(train.index.labels, fraction)
    if len(held_out) and (train.name, fraction) not in _announced:
        _announced.add((train.name, fraction))
        print(
            f"{train.name} has no validation split: {len(held_out)} of its {len(train)} training examples "
            "are held out for validation, the same part of every class",
            flush=True,
        )
    if split == "validation" and not len(held_out):
        raise UserError(f"{train.name} has no validation split, and val_fraction={fraction} carves none")
    return rest if split == "train" else held_out
