"""Attributes of people and pictures, such as gender or light: stored as JSON with each example."""

import json
from collections.abc import Mapping, Sequence

from ferjax.errors import UserError

FEATURE = "attributes"  # of an example, beside its image and label
MOST_VALUES = 100
_LONGEST = 60  # letters of a value


def encode(values: Mapping[str, str]) -> str:
    """Writes the attributes of an example as JSON; those without a value are left out."""
    return json.dumps({_plain(name): text for name, value in values.items() if (text := _plain(value))})


def decode(text: str) -> dict[str, str]:
    """Reads the attributes of an example.

    Raises:
        ValueError: it is not what `encode` writes.
    """
    values = json.loads(text)
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise ValueError("the attributes of an example are no texts")
    return values


def _plain(value: str) -> str:
    """Returns a name or a value on one line and not too long."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in value).split())[:_LONGEST]


def asked(option: str, columns: Sequence[str], where: str) -> list[str]:
    """Reads the option `attributes` of a set: the columns of its list that are kept.

    Args:
        option: COLUMN,…; case and blanks around a name do not matter.
        columns: those that the list has, in lower case.
        where: the list, for the message.

    Raises:
        UserError: the list has no such column.
    """
    names = list(dict.fromkeys(name.strip().lower() for name in option.split(",") if name.strip()))
    if lacking := [name for name in names if name not in columns]:
        raise UserError(
            f"option attributes names {', '.join(map(repr, lacking[:3]))}, which is no column of {where}: it "
            f"has {', '.join(columns)}"[:390]
        )
    return names


class Values:
    """Checks that a column holds few different values, as groups have; measures such as years are none."""

    def __init__(self, where: str) -> None:
        """Starts without values; `where` names the list."""
        self._where = where
        self._seen: dict[str, set[str]] = {}

    def of(self, row: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
        """Returns the attributes of a row.

        Raises:
            UserError: an attribute has had too many values by now.
        """
        for name in names:
            seen = self._seen.setdefault(name, set())
            seen.add(row[name])
            if len(seen) > MOST_VALUES:
                raise UserError(
                    f"the column {name!r} of {self._where} has more than {MOST_VALUES} different values, too "
                    "many for groups: write ranges into it, such as 20-39"
                )
        return {name: row[name] for name in names}
