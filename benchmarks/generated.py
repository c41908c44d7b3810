"""FER2013's shape without its images: generated ones, stored by the real builder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from ferjax.data import builders
from ferjax.data.images import encode_png
from ferjax.data.sets.fer2013 import FER2013

OFFICIAL = {"train": 28_709, "validation": 3_589, "test": 3_589}


class Generated(FER2013, skip_registration=True):
    """A set that is stored as FER2013, of smooth random images.

    A hundredth of those in test copy one of train pixel for pixel, another hundredth with noise.
    """

    name = "fer2013"
    counts: ClassVar[dict[str, int]] = OFFICIAL

    def examples(self, folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yields (split, example)."""
        draws = np.random.default_rng(0)
        train = []
        for split, count in self.counts.items():
            for i in range(count):
                coarse = Image.fromarray(draws.integers(0, 256, (8, 8), dtype=np.uint8))
                image = np.asarray(coarse.resize((48, 48), Image.Resampling.BICUBIC))[..., None]
                label = int(draws.integers(7))
                if split == "train":
                    train.append((image, label))
                elif split == "test" and i % 100 < 2:
                    image, label = train[i]
                    noise = draws.normal(0, 4, image.shape) * (i % 100)
                    image = (image + noise).clip(0, 255).astype(np.uint8)
                yield split, {"image": encode_png(image), "label": label, "id": f"{split}/{i}"}


def build(data_dir: Path, counts: dict[str, int]) -> None:
    """Builds the set as `fer2013`, unless it is there; images of each split."""
    if not builders.folder("fer2013", data_dir).exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        Generated.counts = counts
        builders.build(Generated(data_dir=data_dir, file_format="array_record", manual_dir=data_dir))
