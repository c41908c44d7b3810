"""Sets of folders: FER2013's images, CK+48, FERG, the Taiwan corpora, folders of the user's."""

from pathlib import Path

from PIL import Image

from copies.faces import FER7, rubbish, save, shade
from copies.truth import Truth

NOUNS = {
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happy",
    "sad": "sadness",
    "surprise": "surprise",
    "contempt": "contempt",
}


def write_fer2013_folders(folder: Path) -> Truth:
    truth = Truth(notes=("no validation split",))
    for split, count in (("train", 3), ("test", 1)):
        for name in FER7:
            for number in range(count):
                save(folder / split / name / f"im{number}.png", name, (48, 48), "L")
                truth.add(split, name)
        rubbish(folder / split)
    return truth


def write_ck48(folder: Path) -> Truth:
    truth = Truth(notes=("three frames a sequence", "train has no image of neutral"))
    for number, name in enumerate(NOUNS):
        for subject in (f"S{number:03d}", f"S{number + 100:03d}"):
            for frame in (9, 10, 11):
                file = f"{subject}_001_{frame:08d}.png"
                save(folder / "CK+48" / NOUNS[name] / file, name, mode="L")
            truth.add("train", name, subject, 3)
    rubbish(folder / "CK+48")
    return truth


def write_ferg(folder: Path) -> Truth:
    truth, root = Truth(notes=("near duplicates",)), folder / "FERG_DB_256"
    words = {**NOUNS, "happy": "joy", "neutral": "neutral"}
    for character in ("aia", "bonnie", "jules", "malcolm", "mery", "ray"):
        for name in FER7:
            place = f"{character}/{character}_{words[name]}"
            save(root / place / f"{character}_{words[name]}_1.png", name, (256, 256))
            truth.add("train", name)
        (root / character / "README.txt").write_text("Facial Expression Research Group")
    (root / "FERG_DB_256_README.png.txt").write_text("not an image")
    rubbish(root)
    return truth


def write_taiwan_folders(folder: Path) -> Truth:
    truth = Truth(notes=("test has no image of neutral",))
    for number, name in enumerate(FER7[:6] * 2):
        save(folder / name.capitalize() / f"{number}.jpg", name, (300 + number, 400))
        truth.add("test", name)
    rubbish(folder)
    return truth


def write_classes(folder: Path) -> Truth:
    truth = Truth(notes=("train has no image of disgust",))
    for name in ("angry", "contempt", "fear", "happy", "neutral", "sad", "surprise"):
        for number in range(3):
            save(
                folder / name.upper() / f"{number}{('.jpg', '.png', '.webp')[number]}",
                name,
                (40, 50 + number),
            )
            truth.add("train", name)
    (folder / "Disgusted").mkdir()
    rubbish(folder)
    return truth


def write_splits(folder: Path) -> Truth:
    truth = Truth()
    for split, place in (("train", "Training"), ("validation", "val"), ("test", "test")):
        for name in FER7:
            for number in range(2):
                path = folder / place / NOUNS.get(name, name) / f"{number}.png"
                save(path, name, (600, 900) if number else (48, 48))
                truth.add(split, name)
    grey = shade("happy")
    # Cut out on a transparent ground, with a palette, and a photograph that is stored lying on its side.
    cut_out = Image.new("RGBA", (50, 50), (0, 0, 0, 0))
    cut_out.paste((grey, grey, grey, 255), (5, 5, 45, 45))
    cut_out.save(folder / "test/happy/alpha.png")
    Image.new("RGB", (50, 50), (grey, grey, grey)).quantize().save(folder / "test/happy/palette.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (50, 30), (grey, grey, grey)).save(folder / "test/happy/lying.jpg", exif=exif)
    truth.add("test", "happy", count=3)
    return truth
