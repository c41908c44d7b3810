"""Compares arrays' names and shapes with those that a network wants, and says the difference in one line."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ferjax.errors import listed

_LONGEST = 300  # letters of a message
_LONGEST_NAME = 60
_MOST = 4  # names of a list

Shapes = Mapping[str, tuple[int, ...]]


class Difference(NamedTuple):
    """What keeps arrays from fitting: names, and for those in `misshapen` (the shape, the one wanted)."""

    missing: list[str]
    unknown: list[str]
    misshapen: dict[str, tuple[tuple[int, ...], tuple[int, ...]]]

    def words(self, start: str) -> str:
        """Says it in one line behind `start`; of each list as many names as fit."""
        text = ""
        for most in range(_MOST, 0, -1):
            shapes = [f"{short(key)} is {_axes(has)}, not {_axes(wants)}" for key, (has, wants) in
                      self.misshapen.items()]  # fmt: skip
            lists = {
                "missing": (self.missing, shown(self.missing, most)),
                "unknown": (self.unknown, shown(self.unknown, most)),
                "wrong shapes": (shapes, listed(shapes, most)),
            }
            text = start + "; ".join(
                f"{len(items)} {title}: {words}" for title, (items, words) in lists.items() if items
            )
            if len(text) <= _LONGEST:
                break
        return text


def compare(expected: Shapes, given: Shapes) -> Difference:
    """Compares two sets of names with shapes."""
    return Difference(
        missing=[key for key in expected if key not in given],
        unknown=[key for key in given if key not in expected],
        misshapen={
            key: (given[key], shape) for key, shape in expected.items() if given.get(key, shape) != shape
        },
    )


def short(name: str) -> str:
    """A name for a message: cut, and without what would move a terminal's cursor."""
    printed = name if name.isprintable() else ascii(name)[1:-1]
    return printed if len(printed) <= _LONGEST_NAME else f"{printed[: _LONGEST_NAME - 1]}…"


def shown(names: Iterable[str], most: int) -> str:
    """Lists the first names for a message."""
    return listed(map(short, names), most)


def _axes(shape: tuple[int, ...]) -> str:
    return str(list(shape)) if len(shape) <= 6 else f"an array of {len(shape)} axes"
