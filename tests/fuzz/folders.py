"""Folders of images of the user's own: SPLIT/CLASS/, CLASS/, and what people make of them."""

from pathlib import Path
from random import Random

from fuzz import mutations, seeds, sets
from fuzz.case import Case

_SPLITS = (
    (),
    ("train",),
    ("train", "test"),
    ("train", "validation", "test"),
    ("Train", "Val"),
    ("training", "valid", "Test"),
)
_OPTIONS = (
    {}, {}, {}, {"space": "own"}, {"space": "fer8"}, {"space": "fer7"}, {"labels": "angry=happy"},
    {"labels": "angry=none"},
    {"space": "x"}, {"labels": "=,"}, {"strange": "1"},
)  # fmt: skip


def make(rng: Random, folder: Path) -> Case:
    """A small set with one to four disturbances."""
    manual = folder / "user" / "faces"
    manual.mkdir(parents=True)
    classes = rng.sample(seeds.CLASSES, rng.randint(1, 3))
    case = rng.choice((str.lower, str.title, str.upper))
    for split in rng.choice(_SPLITS) or (".",):
        for name in classes:
            place = manual / split / case(name)
            place.mkdir(parents=True, exist_ok=True)
            for number in range(rng.randint(1, 2)):
                kind, mode = rng.choice(seeds.PICTURES[:9])
                suffix = ".png" if kind == "PNG" else ".jpg"
                (place / f"{number}{suffix}").write_bytes(seeds.encoded(kind, mode, seeds.shade(name)))
    about = [mutations.disturb(rng, manual) for _ in range(rng.randint(0, 4))]
    options, skip = rng.choice(_OPTIONS), rng.random() < 0.3
    found = count(manual)
    return Case(
        lambda: sets.build("folder", manual, folder / "data", found, skip, options),
        folder / "user",
        about=f"{about}, {options}, skip={skip}",
    )


_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")


def count(folder: Path) -> int:
    """Counts the files that begin as pictures do."""
    return sum(
        path.read_bytes().startswith(_MAGIC)
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    )
