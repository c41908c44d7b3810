"""Copies of the published sets in every layout that is about, disturbed."""

import functools
from pathlib import Path
from random import Random

from copies import LAYOUTS

from fuzz import folders, mutations, seeds, sets
from fuzz.case import Case

# Of these every picture is one example; the others hold scenes, or frames that are not used.
RECONCILED = sorted(LAYOUTS.keys() - {"ckplus sequences", "rafdb list"})


@functools.cache
def _layout(name: str) -> dict[str, bytes]:
    return seeds.kept(LAYOUTS[name][1])


def make(rng: Random, folder: Path) -> Case:
    """One to three disturbances of a copy, sometimes given to the builder of another set."""
    layout = rng.choice(sorted(LAYOUTS))
    name = LAYOUTS[layout if rng.random() < 0.85 else rng.choice(sorted(LAYOUTS))][0]
    manual = seeds.lay(_layout(layout), folder / "user" / "set")
    about = [mutations.disturb(rng, manual) for _ in range(rng.choice((0, 1, 1, 2, 3)))]
    skip = rng.random() < 0.3
    found = folders.count(manual) if layout in RECONCILED else 0
    return Case(
        lambda: sets.build(name, manual, folder / "data", found, skip, {}),
        folder / "user",
        about=f"{layout} as {name}: {about}, skip={skip}",
    )
