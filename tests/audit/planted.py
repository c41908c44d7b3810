"""Sets with known faults, of generated pictures: smooth, so that compression and noise keep them alike."""

import numpy as np
from PIL import Image

SIDE = 24


def pictures(count, seed=0):
    """Smooth pictures that differ from each other: uint8 [count, 24, 24, 1]."""
    coarse = np.random.default_rng(seed).integers(20, 236, (count, 7, 7), dtype=np.uint8)
    smooth = [Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BICUBIC) for image in coarse]
    return np.stack([np.asarray(image) for image in smooth])[..., None]


def clean_rows(train=28, validation=14, test=14):
    """A set without a fault: all classes in each split, every example of another group."""
    sizes = {"train": train, "validation": validation, "test": test}
    images = iter(pictures(sum(sizes.values())))
    return [
        (split, i % 7, f"{split} {i}", next(images)) for split, size in sizes.items() for i in range(size)
    ]


def found(report):
    """check → count of what was found."""
    counts = {}
    for finding in report["findings"]:
        counts[finding["check"]] = counts.get(finding["check"], 0) + finding["count"]
    return counts
