"""AffectNet: photographs with lists and boxes, and the layout of 2021."""

from pathlib import Path

import numpy as np

from copies.faces import CLASSES, rubbish, save, save_scene
from copies.truth import Truth

CODES = {
    "neutral": 0,
    "happy": 1,
    "sad": 2,
    "surprise": 3,
    "fear": 4,
    "disgust": 5,
    "angry": 6,
    "contempt": 7,
}
HEADER = (
    "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
)
PER_CLASS = {"train": 3, "test": 2}
MOVED = "the official validation set is stored as test"


def _faces(truth: Truth, kept: int):
    for split, count in PER_CLASS.items():
        for number in range(count * 8):
            name = CLASSES[(number * 5) % 8]
            if CLASSES.index(name) < kept:
                truth.add(split, name)
            yield split, number, name


def write_new(folder: Path, kept: int = 7) -> Truth:
    truth = Truth(notes=(MOVED, "listed files", *(["5 contempt"] if kept == 7 else [])), lost=2)
    place = {"train": folder / "train_set", "test": folder / "val_set"}
    for split, number, name in _faces(truth, kept):
        save(place[split] / "images" / f"{number}.jpg", name, (224, 224))
        annotations = place[split] / "annotations"
        annotations.mkdir(exist_ok=True)
        # 0-d arrays of text, as they are distributed.
        for kind, value in (("exp", str(CODES[name])), ("val", "-0.1"), ("aro", "0.2"), ("lnd", "1.0")):
            np.save(annotations / f"{number}_{kind}.npy", np.array(value))
    # An image without its label, and a label without its image.
    save(place["train"] / "images" / "900.jpg", "happy", (224, 224))
    np.save(place["train"] / "annotations" / "901_exp.npy", np.array("3"))
    rubbish(place["train"] / "images")
    return truth


def write_new8(folder: Path) -> Truth:
    return write_new(folder, kept=8)


def write_old(folder: Path, kept: int = 7) -> Truth:
    notes = (MOVED, "3 listed files", "1 none", "1 uncertain", "1 non-face")
    truth = Truth(notes=(*notes, *(["5 contempt"] if kept == 7 else [])), lost=3)
    lists, images = folder / "Manually_Annotated_file_lists", folder / "Manually_Annotated_Images"
    lists.mkdir()
    lines = {"train": [HEADER], "test": []}  # copies of validation.csv have no header
    for split, number, name in _faces(truth, kept):
        listed = f"{number % 3}/{split}{number}.jpg"
        # A wide photograph, and a face near its edge whose box leaves the image.
        left = 60 if number % 2 else 230
        save_scene(images / listed, {(left, 20, min(left + 80, 300), 100): name}, (300, 200))
        lines[split].append(f"{listed},{left},20,80,80,1.5;2.5;3,{CODES[name]},0.1,-0.2")
    for number, code in enumerate((8, 9, 10)):
        lines["train"].append(f"9/none{number}.jpg,0,0,10,10,1;2,{code},-2,-2")
    # Missing, cut off in the middle, and a box that is off the image.
    lines["train"].append("9/missing.jpg,1,1,50,50,1;2,1,0,0")
    for name in ("truncated", "off"):
        save_scene(images / "9" / f"{name}.jpg", {(50, 50, 90, 90): "sad"}, (300, 200))
    whole = (images / "9/truncated.jpg").read_bytes()
    (images / "9/truncated.jpg").write_bytes(whole[: len(whole) // 2])
    lines["test"] += [
        "9/truncated.jpg,50,50,40,40,1;2,2,0,0",
        "9/off.jpg,400,50,40,40,1;2,2,0,0",
    ]
    (lists / "training.csv").write_text("\n".join(lines["train"]) + "\n")
    (lists / "validation.csv").write_text("\r\n".join(lines["test"]) + "\r\n")
    (lists / "automatically_annotated.csv").write_text(HEADER + "\n")
    return truth


def write_old8(folder: Path) -> Truth:
    return write_old(folder, kept=8)
