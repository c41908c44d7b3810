"""What is named to `predict`: files, folders, patterns, addresses."""

import contextlib
from pathlib import Path
from random import Random

from ferjax.data.images import BadImage
from ferjax.files import user_path
from ferjax.inference import pictures
from ferjax.inference.inputs import expand
from fuzz import mutations, seeds
from fuzz.case import Case

_TEXTS = [
    text for text in mutations.TEXTS if text not in ("..", "../x", "~", "/etc/passwd")
]  # not this machine's
_PATTERNS = (
    "*",
    "**",
    "**/*.png",
    "*/*",
    "[",
    "[a-",
    "?",
    "a**",
    "**/**/**",
    "*" * 40,
    ".*",
    "{a,b}",
)


def make(rng: Random, folder: Path) -> Case:
    """A small tree, disturbed, and one or two arguments."""
    place = folder / "user" / "pictures"
    place.mkdir(parents=True)
    for name in ("a.png", "b/c.jpg", "b/d/e.PNG", "f.mp4", "g.txt"):
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_bytes(seeds.encoded())
    about = [mutations.disturb(rng, place) for _ in range(rng.randint(0, 5))]
    arguments = [
        rng.choice(
            (
                str(place),
                f"{place}/{rng.choice(_PATTERNS)}",
                f"{place}/{rng.choice(mutations.NAMES)}",
                rng.choice(_TEXTS),
            )
        )
        for _ in range(rng.randint(1, 2))
    ]

    def run():
        for argument in arguments:
            user_path(argument) if rng.random() < 0.2 else None
        found = list(expand(arguments))
        assert found, "nothing is told of the arguments"
        for item in found:
            assert item.kind in ("picture", "video", "camera", "skipped", "failed")
            if item.kind == "picture":
                with contextlib.suppress(BadImage):
                    pictures.read(item.path)

    return Case(run, folder / "user", about=f"{arguments!r:.300} {about}")
