"""Built sets that were damaged or edited by hand, and are opened to train or prepared again."""

import contextlib
import functools
import io
from pathlib import Path
from random import Random

from ferjax import data
from ferjax.commands.prepare import prepare
from fuzz import mutations, seeds
from fuzz.case import Case

_NAMES = "data/folder/1.0.0/label.labels.txt"


@functools.cache
def _built() -> dict[str, bytes]:
    return seeds.kept(_write)


def _write(folder: Path) -> None:
    for split in ("train", "test"):
        for name in ("angry", "happy"):
            for number in range(10):
                path = folder / "faces" / split / name / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(seeds.encoded(grey=seeds.shade(name) + number))
    with contextlib.redirect_stdout(io.StringIO()):
        prepare("folder", str(folder / "faces"), str(folder / "data"))
        data.load("folder", "train", folder / "data", image_size=8, channels=1)  # keeps its files of indices


def make(rng: Random, folder: Path) -> Case:
    """A built set with one or two disturbances."""
    place = seeds.lay(_built(), folder)
    about = [mutations.disturb(rng, place / "data" / "folder") for _ in range(rng.choice((1, 1, 2)))]
    split, cache = rng.choice(("train", "test")), rng.choice(("memory", "stream", "disk"))

    def load():
        parts = ("train", "validation") if split != "test" else ("test",)
        sources = [
            data.load("folder", part, place / "data", cache=cache, image_size=8, channels=1) for part in parts
        ]
        assert sum(map(len, sources)) == 20, "images are missing"
        if (place / _NAMES).read_bytes() != _built()[_NAMES]:
            return  # whoever edits the classes' names means others
        for source in sources:
            taken = source.take(range(len(source)))
            for image, label in zip(taken["image"], taken["label"], strict=True):
                assert 0 <= int(image.max()) - seeds.shade(source.label_names[label]) < 10, "another label"

    def again():
        with contextlib.redirect_stdout(io.StringIO()):
            prepare("folder", rng.choice((None, str(place / "faces"))), str(place / "data"))

    run = rng.choice((load, load, again))
    return Case(run, place / "faces", about=f"{run.__name__} {split} {cache}: {about}")
