"""Sets whose list is a CSV file: FER2013, FERPlus, the extended CK+, a list of the user's."""

from pathlib import Path

from copies.faces import CLASSES, FER7, pixels, save
from copies.truth import Truth

FERPLUS_HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
COLUMNS = ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt", "unknown", "NF")
USAGE = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}


def votes(**given: int) -> list[int]:
    return [given.get(column, 0) for column in COLUMNS]


def _fer2013_rows(truth: Truth) -> list[tuple[int, str, str]]:
    """(label, pixels, Usage): two images of each class to train, one each to validate and test."""
    rows = []
    for split, count in {"train": 2, "validation": 1, "test": 1}.items():
        for name in FER7 * count:
            rows.append((FER7.index(name), pixels(name), USAGE[split]))
            truth.add(split, name)
    return rows


def write_fer2013(folder: Path) -> Truth:
    truth = Truth()
    lines = [f"{label},{image},{usage}" for label, image, usage in _fer2013_rows(truth)]
    (folder / "fer2013.csv").write_text("\n".join(["emotion,pixels,Usage", *lines, ""]))
    return truth


def write_icml(folder: Path) -> Truth:
    # Blanks before the names, and another order of the columns.
    truth = Truth()
    lines = [f"{label},{usage},{image}" for label, image, usage in _fer2013_rows(truth)]
    (folder / "icml_face_data.csv").write_bytes("\r\n".join(["emotion, Usage, pixels", *lines, ""]).encode())
    (folder / "train.csv").write_text("emotion,pixels\n")
    (folder / "test.csv").write_text("pixels\n")
    return truth


def write_ferplus(folder: Path) -> Truth:
    truth = Truth(notes=("1 / 0 / 1 have no image name", "4 / 0 / 0 have no majority"))
    rows = []  # (Usage, image name?, class of the image, votes)
    for split, count in {"train": 2, "validation": 1, "test": 1}.items():
        for name in CLASSES * count:
            # Seven for the class, and single votes that count for nothing.
            rows.append((USAGE[split], True, name, votes(**{name: 7, "unknown": 1, "NF": 1})))
            truth.add(split, name)
        if split == "train":
            # Six of eleven votes are a majority once the single ones are gone; five of ten are none.
            rows.append((USAGE[split], True, "sad", votes(sad=5, fear=3, happy=1, angry=1)))
            truth.add(split, "sad")
            rows.append((USAGE[split], True, "contempt", votes(sad=5, fear=5)))
            rows.append((USAGE[split], True, "contempt", votes(happy=2, unknown=8)))
            rows.append((USAGE[split], True, "contempt", votes(happy=2, NF=8)))
            rows.append((USAGE[split], True, "contempt", [1] * 10))
        if split != "validation":
            rows.append((USAGE[split], False, "contempt", votes(NF=10)))
    plus, images = [FERPLUS_HEADER], ["emotion,pixels,Usage"]
    for number, (usage, named, name, counts) in enumerate(rows):
        file = f"fer{number:07d}.png" if named else ""
        plus.append(",".join(map(str, (usage, file, *counts))))
        # FER2013's own label says something else.
        images.append(f"{number % 7},{pixels(name)},{usage}")
    (folder / "fer2013new.csv").write_text("\n".join(plus) + "\n")
    (folder / "fer2013.csv").write_text("\n".join(images) + "\n")
    return truth


def write_ckextended(folder: Path) -> Truth:
    # FER2013's numbers, and contempt after them: not the numbers of CK+ itself.
    truth, lines = Truth(notes=("names no people",)), ["emotion,pixels,Usage"]
    for number in range(24):
        name = CLASSES[number % 8]
        usage = ("Training", "PublicTest", "PrivateTest")[number // 8]
        lines.append(f"{CLASSES.index(name)},{pixels(name)},{usage}")
        truth.add("train", name)
    (folder / "ckextended.csv").write_text("\n".join(lines) + "\n")
    return truth


def write_list(folder: Path) -> Truth:
    truth, lines = Truth(), ["label, path ,Split,subject"]
    words = ("Anger", "disgust", "fearful", "Joy", "sadness", "surprised", "neutral")
    for number in range(35):
        name = FER7[number % 7]
        split, told = (("train", "Training"), ("validation", "val"), ("test", "test"))[number // 7 % 3]
        path = f"pictures/{number}, taken at home.png"
        save(folder / path, name, (60 + number, 80))
        lines.append(f'{words[number % 7]},"{path}",{told},p{number % 4}')
        truth.add(split, name, f"p{number % 4}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return truth
