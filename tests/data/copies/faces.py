"""Images whose grey tells the class, so that a label which belongs to another class is caught."""

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral", "contempt")
FER7 = CLASSES[:7]
STEP = 28


def shade(name: str) -> int:
    """The grey of a class: 20, 48, … 216."""
    return 20 + STEP * CLASSES.index(name)


def class_of(image: np.ndarray) -> str:
    """The class that uint8 [H, W, C] was drawn for, from its middle; JPEG's errors do not matter."""
    height, width = image.shape[:2]
    middle = image[height // 4 : height - height // 4, width // 4 : width - width // 4]
    nearest = (float(middle.mean()) - 20) / STEP
    assert abs(nearest - round(nearest)) < 0.2, f"no class has the grey {middle.mean():.1f}"
    return CLASSES[round(nearest)]


def save(path: Path, name: str, size: tuple[int, int] = (48, 48), mode: str = "RGB") -> None:
    """Writes an image file; the suffix tells the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = shade(name)
    Image.new(mode, size, grey if mode == "L" else (grey, grey, grey)).save(path)


def save_scene(path: Path, faces: dict[tuple[int, int, int, int], str], size: tuple[int, int]) -> None:
    """Writes a white photograph with faces in it: (left, top, right, bottom) → class."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", size, (255, 255, 255))
    for box, name in faces.items():
        image.paste((shade(name),) * 3, box)
    image.save(path, quality=95)


def pixels(name: str) -> str:
    """48×48 numbers of a CSV file."""
    return " ".join([str(shade(name))] * 2304)


def rubbish(folder: Path) -> None:
    """What operating systems and archivers leave behind."""
    (folder / ".DS_Store").write_bytes(b"\0")
    (folder / "Thumbs.db").write_bytes(b"\0")
    (folder / "__MACOSX").mkdir(exist_ok=True)
    (folder / "__MACOSX" / "._face.jpg").write_bytes(b"\0")
