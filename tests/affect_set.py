"""A set of faces with valence and arousal: patterns that can be learnt, from a user's own CSV file."""

import contextlib
import io

import numpy as np
from PIL import Image

from ferjax.data import builders

COUNTS = {"train": 112, "validation": 28, "test": 28}
WORDS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def write(folder, unknown_every=7):
    """16×16 pictures: how red one is tells valence, how blue arousal, how green the class.

    Every so many examples lack a value, as AffectNet's −2 or an empty field.
    """
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    lines, number = ["path,label,split,valence,arousal"], 0
    for split, count in COUNTS.items():
        for _ in range(count):
            values = rng.uniform(-0.9, 0.9, 2).round(2)
            colour = np.array([128 + 110 * values[0], 40 + 28 * (number % 7), 128 + 110 * values[1]])
            image = colour + rng.normal(0, 8, (16, 16, 3))
            Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / f"{number}.png")
            texts = [f"{value}" for value in values]
            if number % unknown_every == 3:
                texts = ["-2", "-2"] if number % 2 else [texts[0], ""]
            lines.append(f"{number}.png,{WORDS[number % 7]},{split},{','.join(texts)}")
            number += 1
    (folder / "faces.csv").write_text("\n".join(lines) + "\n")


def build(folder):
    """Builds it and returns the folder of built sets."""
    write(folder / "faces")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        builders.build(builders.create("folder/affect", folder / "data", manual_dir=folder / "faces"))
    return folder / "data"
