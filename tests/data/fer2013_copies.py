"""Small copies of FER2013 in the layouts that are about, traps included."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

USAGE = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}
Row = tuple[int, np.ndarray, str]


def faces(count: int, seed: int = 0) -> np.ndarray:
    """Random grey images, uint8 [count, 48, 48]."""
    return np.random.default_rng(seed).integers(0, 256, (count, 48, 48), dtype=np.uint8)


def rows(train: int, validation: int, test: int) -> list[Row]:
    """Rows of (label, image, Usage), labels in turn."""
    usages = ["Training"] * train + ["PublicTest"] * validation + ["PrivateTest"] * test
    return [
        (i % 7, image, usage) for i, (image, usage) in enumerate(zip(faces(len(usages)), usages, strict=True))
    ]


def pixels(image: np.ndarray) -> str:
    return " ".join(map(str, image.ravel()))


def write_fer2013_csv(folder: Path, content: Iterable[Row]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["emotion,pixels,Usage", *(f"{label},{pixels(image)},{usage}" for label, image, usage in content)]
    path = folder / "fer2013.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def write_icml_csv(folder: Path, content: Iterable[Row]) -> Path:
    """Padded column names, another order, Windows line ends."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        "emotion, Usage, pixels",
        *(f"{label},{usage},{pixels(image)}" for label, image, usage in content),
    ]
    path = folder / "icml_face_data.csv"
    path.write_bytes("\r\n".join([*lines, ""]).encode())
    return path


def write_folders(folder: Path, content: Mapping[str, Mapping[str, Sequence[np.ndarray]]]) -> None:
    """Split → class → images, as PNG files beside a file that is no image."""
    for split, classes in content.items():
        for name, images in classes.items():
            place = folder / split / name
            place.mkdir(parents=True)
            (place / ".DS_Store").write_bytes(b"\0")
            (place / "Thumbs.db").write_bytes(b"\0")
            for i, image in enumerate(images):
                Image.fromarray(image).save(place / f"im{i:03d}.png")


def write_named(folder: Path, names: Iterable[str]) -> None:
    """PNG or JPEG files of these names under `folder`, each another picture."""
    for seed, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(faces(1, seed)[0]).save(path)
