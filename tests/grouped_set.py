"""A small set of the licensed kind whose examples name their subject and their character."""

from typing import ClassVar

import numpy as np
import tensorflow_datasets as tfds

from ferjax.data import builders, load
from ferjax.data.builders import base
from ferjax.data.images import encode_png
from ferjax.registry import DATA_SETS, DataSetFacts, Entry

# (split, label, subject, character, image), as the examples are to be built.
Row = tuple[str, int, str, str, np.ndarray]


class Grouped(base.LicensedBuilder, skip_registration=True):
    """Builds whatever `rows` holds."""

    name = "grouped"
    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = "any folder"
    IMAGE_SHAPE = (12, 12, 1)
    GROUPED = True
    EXTRAS: ClassVar = {"character": tfds.features.Text()}
    rows: ClassVar[list[Row]] = []

    def examples(self, folder):
        for number, (split, label, group, character, image) in enumerate(self.rows):
            yield (
                split,
                {
                    "image": encode_png(image) if isinstance(image, np.ndarray) else image,
                    "label": label,
                    "id": f"{split}/{number}",
                    "group": group,
                    "character": character,
                },
            )


def register(monkeypatch, builder):
    """Registers a builder class under its name until the test ends."""
    entry = Entry(builder.name, builder, DataSetFacts(None))
    monkeypatch.setitem(DATA_SETS._entries, builder.name, entry)


def build(monkeypatch, folder, rows: list[Row], **attributes):
    """Builds the set `grouped` in `folder / "data"`, with other class attributes if given; that folder."""
    for name, value in attributes.items():
        monkeypatch.setattr(Grouped, name, value)
    register(monkeypatch, Grouped)
    monkeypatch.setattr(Grouped, "rows", rows)
    builders.build(builders.create("grouped", folder / "data", manual_dir=folder))
    return folder / "data"


def people(of_one: int, **counts: int) -> list[Row]:
    """Images of seven classes, each of its own pixels: `counts` of each split, `of_one` of every person."""
    generator = np.random.default_rng(0)
    return [
        (
            split,
            number % 7,
            f"{split}{number // of_one}",
            "",
            generator.integers(0, 256, (12, 12, 1), np.uint8),
        )
        for split, count in counts.items()
        for number in range(count)
    ]


def opened(data, split, **options):
    """Opens a split of the set that `build` has built in `data`."""
    return load("grouped", split, data, cache="stream", **options)
