"""CSV files: lists of paths with labels, and FER2013's pixels."""

import io
from pathlib import Path
from random import Random

from fuzz import folders, mutations, seeds, sets
from fuzz.case import Case

_USAGES = ("Training", "Training", "PublicTest", "PrivateTest")


def make(rng: Random, folder: Path) -> Case:
    """A list whose text is changed once or twice."""
    manual = folder / "user" / "faces"
    manual.mkdir(parents=True)
    name, file, table = rng.choice((_paths, _paths, _pixels, _plus))(rng, manual)
    content = mutations.changed_table(rng, table)
    if rng.random() < 0.2:
        content = mutations.changed_table(rng, content.decode(errors="replace") or "x")
    if rng.random() < 0.05:
        content = table.encode()
    (manual / file).write_bytes(content)
    about = [mutations.disturb(rng, manual) for _ in range(rng.choice((0, 0, 0, 1)))]
    skip = rng.random() < 0.3
    found = folders.count(manual) if name == "folder" else 0 if about else _rows(manual / "fer2013.csv")
    options = rng.choice(({}, {"space": "own"}, {"attributes": "gender"})) if name == "folder" else {}
    return Case(
        lambda: sets.build(name, manual, folder / "data", found, skip, options),
        folder / "user",
        about=f"{file}: {content[:300]!r}, {about}, skip={skip}",
    )


def _rows(path: Path) -> int:
    """Counts the lines below the first one that hold something."""
    content = path.read_bytes()
    encoding = (
        "utf-32"
        if content[:4] == b"\xff\xfe\0\0"
        else "utf-16"
        if content[:2] == b"\xff\xfe"
        else "utf-8-sig"
    )
    lines = io.TextIOWrapper(io.BytesIO(content), encoding, errors="replace")
    return max(sum(bool(line.strip()) for line in lines) - 1, 0)


def _paths(rng: Random, manual: Path) -> tuple[str, str, str]:
    lines = ["path,label,split,subject,gender,valence,arousal"]
    for number in range(rng.randint(1, 6)):
        label = rng.choice(seeds.CLASSES)
        path = rng.choice(("{}.png", "a/{}.png", "train/{}.png", "{} é.png")).format(number)
        (manual / path).parent.mkdir(exist_ok=True)
        (manual / path).write_bytes(seeds.encoded(grey=seeds.shade(label)))
        split, gender = rng.choice(("train", "test", "train")), rng.choice(("f", "m", ""))
        lines.append(f"{path},{label},{split},p{number % 3},{gender},{rng.choice(('0.5', '-2', ''))},-0.25")
    return "folder", rng.choice(("list.csv", "labels.csv", "x.CSV")), "\n".join(lines)


def _pixels(rng: Random, manual: Path) -> tuple[str, str, str]:
    lines = ["emotion,pixels,Usage"]
    for number in range(rng.randint(1, 5)):
        pixels = " ".join([str(40 * number)] * 2304)
        lines.append(f"{number},{pixels},{_USAGES[number % 4]}")
    return "fer2013", "fer2013.csv", "\n".join(lines)


def _plus(rng: Random, manual: Path) -> tuple[str, str, str]:
    (manual / "fer2013.csv").write_text(_pixels(rng, manual)[2])
    rows = (manual / "fer2013.csv").read_text().count("\n")
    lines = [
        "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF",
        *(
            f"{_USAGES[row % 4]},fer{row:07}.png,{','.join(rng.choices('0123456789', k=8))},0,0"
            for row in range(rows)
        ),
    ]
    return "ferplus", "fer2013new.csv", "\n".join(lines)
