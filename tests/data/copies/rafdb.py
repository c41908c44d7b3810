"""RAF-DB: the list with the aligned faces, and the re-packed folders."""

from pathlib import Path

from copies.faces import FER7, rubbish, save
from copies.truth import Truth

CODES = {"surprise": 1, "fear": 2, "disgust": 3, "happy": 4, "sad": 5, "angry": 6, "neutral": 7}
PER_CLASS = {"train": 3, "test": 1}


def _faces(truth):
    for split, count in PER_CLASS.items():
        for number in range(count * 7):
            name = FER7[(number * 3) % 7]
            truth.add(split, name)
            yield split, f"{split}_{number + 1:05d}", name


def write_list(folder: Path) -> Truth:
    truth, lines = Truth(), []
    for _, stem, name in _faces(truth):
        # The list says x.jpg, the file is x_aligned.jpg; the original is no 100×100.
        lines.append(f"{stem}.jpg {CODES[name]}")
        save(folder / "basic/Image/aligned" / f"{stem}_aligned.jpg", name, (100, 100))
        save(folder / "basic/Image/original" / f"{stem}.jpg", "contempt", (70, 90))
    (folder / "basic/EmoLabel").mkdir()
    (folder / "basic/EmoLabel/list_patition_label.txt").write_text("\n".join(lines) + "\n")
    rubbish(folder / "basic/Image/aligned")
    return truth


def write_folders(folder: Path) -> Truth:
    truth = Truth(notes=("21 images were not of 100×100 pixels and were resized",))
    for split, stem, name in _faces(truth):
        size = (75, 75) if split == "train" else (100, 100)
        save(folder / "DATASET" / split / str(CODES[name]) / f"{stem}_aligned.jpg", name, size)
    rubbish(folder / "DATASET/train")
    (folder / "train_labels.csv").write_text("image,label\n")
    return truth
