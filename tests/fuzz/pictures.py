"""Picture files of every format, damaged; one reader for predictions, one for sets."""

from pathlib import Path
from random import Random

from ferjax.data.builders.image_files import read_image
from ferjax.data.images import BadImage
from ferjax.inference import pictures
from fuzz import mutations, seeds
from fuzz.case import Case

_BOXES = (
    None, None, None, (0, 0, 4, 4), (-3, -3, 5, 5), (2, 2, 1, 1), (0, 0, 1e9, 1e9), (float("nan"), 0, 1, 1),
    (0, 0, float("inf"), 1), (100, 100, 200, 200), (0.4, 0.4, 0.6, 0.6),
)  # fmt: skip


def make(rng: Random, folder: Path) -> Case:
    """One file and how it is read."""
    kind, mode = rng.choice(seeds.PICTURES)
    content = seeds.encoded(kind, mode, 128, rng.choice(((12, 12), (1, 1), (3, 700))))
    for _ in range(rng.choice((0, 1, 1, 1, 2))):
        content = mutations.damaged(rng, content)
    path = folder / "user" / rng.choice(("x.png", "x.jpg", "x.eps", "x"))
    path.parent.mkdir()
    path.write_bytes(content)
    box, side, channels = rng.choice(_BOXES), rng.choice((None, 8)), rng.choice((1, 3))

    def run():
        try:
            seen = pictures.read(path)
        except BadImage:
            seen = None
        stored = read_image(path, side=side, channels=channels, box=box, margin=rng.choice((0.0, 0.5)))
        assert seen is not None, "stored, but not predicted"
        assert seen.ndim == 3
        assert seen.shape[2] == 3
        again = folder / "again"
        again.write_bytes(stored.encoded)
        read_image(again, side=None, channels=channels)  # what is stored can be read

    return Case(run, path.parent, (BadImage,), f"{kind} {mode} box={box} side={side} channels={channels}")
