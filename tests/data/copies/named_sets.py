"""Sets whose labels stand in the names of files, or in a file of their own: JAFFE, CK+, Taiwan, ExpW."""

from pathlib import Path

from copies.faces import FER7, rubbish, save, save_scene
from copies.truth import Truth

JAFFE_CODES = {
    "angry": "AN",
    "disgust": "DI",
    "fear": "FE",
    "happy": "HA",
    "neutral": "NE",
    "sad": "SA",
    "surprise": "SU",
}
TAIWAN_CODES = {"angry": "ag", "disgust": "dg", "fear": "fg", "happy": "hg", "sad": "sg", "surprise": "pg"}
CK_CODES = {"angry": 1, "contempt": 2, "disgust": 3, "fear": 4, "happy": 5, "sad": 6, "surprise": 7}


def write_jaffe(folder: Path) -> Truth:
    truth, index = Truth(notes=("left out, not named as JAFFE's images are: group.jpg",)), 1
    for subject in ("KA", "KL", "YM"):
        for name in FER7:
            file = f"{subject}.{JAFFE_CODES[name]}{index % 3 + 1}.{index}.tiff"
            save(folder / "jaffe" / file, name, (256, 256), "L")
            truth.add("train", name, subject)
            index += 1
    save(folder / "jaffe/group.jpg", "happy")
    (folder / "jaffe/README").write_text("JAFFE")
    (folder / "jaffe/KA.AN1.39.tiff.txt").write_text("no image")
    rubbish(folder / "jaffe")
    return truth


def write_taiwan_codes(folder: Path) -> Truth:
    truth = Truth(notes=("test has no image of neutral",))
    for number, name in enumerate(FER7[:6] * 2):
        file = (
            f"f{number:02d}_{TAIWAN_CODES[name].upper() if number % 2 else TAIWAN_CODES[name]}_{number}.jpg"
        )
        save(folder / ("frontal", "side")[number % 2] / file, name, (120, 100))
        truth.add("test", name)
    return truth


def write_expw(folder: Path) -> Truth:
    truth, lines = Truth(), []
    # Left and top differ, and the second box leaves the image: top before left matters.
    boxes = ((20, 90, 80, 150), (230, 10, 310, 90))
    for number in range(14):
        image = f"angry asian girl_{number}.jpg" if number % 2 else f"face_{number}.jpg"
        scene = {}
        for face, (left, top, right, bottom) in enumerate(boxes):
            name = FER7[(number + 3 * face) % 7]
            scene[left, top, min(right, 300), bottom] = name
            lines.append(f"{image} {face} {top} {left} {right} {bottom} 42.5 {FER7.index(name)}")
            truth.add("train", name, image)
        save_scene(folder / "image/origin" / image, scene, (300, 200))
    (folder / "label").mkdir()
    (folder / "label/label.lst").write_text("\n".join(lines) + "\n")
    (folder / "readme.txt").write_text("ExpW")
    return truth


def write_ckplus_sequences(folder: Path) -> Truth:
    truth = Truth(notes=("7 of 9 sequences are labelled", "no Landmarks/"))
    for number, name in enumerate(CK_CODES):
        subject = f"S{number // 2:03d}"
        _sequence(folder, subject, f"{number % 2 + 1:03d}", name)
        truth.add("train", "neutral", subject)
        truth.add("train", name, subject)
    _sequence(folder, "S000", "009", None)  # an empty folder of labels
    _sequence(folder, "S999", "001", None)
    (folder / "Emotion/S999/001").rmdir()  # and none at all
    rubbish(folder / "cohn-kanade-images")
    return truth


def _sequence(folder: Path, subject: str, sequence: str, name: str | None) -> None:
    frames = folder / "cohn-kanade-images" / subject / sequence
    for frame in range(1, 6):
        # From neutral to the peak; in between is another class, which must not be stored.
        shown = {1: "neutral", 5: name or "fear"}.get(frame, "contempt" if name == "angry" else "angry")
        save(frames / f"{subject}_{sequence}_{frame:08d}.png", shown, (160, 122), "L")
    (frames / ".DS_Store").write_bytes(b"\0")
    labels = folder / "Emotion" / subject / sequence
    labels.mkdir(parents=True)
    if name:
        file = labels / f"{subject}_{sequence}_{5:08d}_emotion.txt"
        file.write_text(f"   {CK_CODES[name]}.0000000e+00\n")
