"""Finds out what the columns of a user's list mean: those of splits and people are used or refused."""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ferjax.data.affect import NAMES
from ferjax.data.builders.text_files import table
from ferjax.errors import UserError, listed

# Names of folders and words of lists, in lower case without blanks and signs → the split.
SPLITS: dict[str, str] = {
    "train": "train",
    "training": "train",
    "trainset": "train",
    "trainingset": "train",
    "validation": "validation",
    "validate": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "valset": "validation",
    "validationset": "validation",
    "publictest": "validation",  # FER2013's words
    "privatetest": "test",
    "test": "test",
    "testing": "test",
    "testset": "test",
}
_SPLIT_NAMES = (
    "split", "splits", "usage", "subset", "set", "partition", "phase", "fold", "datasplit", "datatype",
    "splitname", "purpose", "mode",
)  # fmt: skip
_PERSON_NAMES = (
    "subject", "subj", "person", "people", "identity", "participant", "actor", "individual", "speaker",
    "patient", "user", "model", "performer", "volunteer", "celebrity", "group",
)  # fmt: skip
MOST_LABELS = 1000


class Columns(NamedTuple):
    """The columns of a list, and the labels in it.

    Attributes:
        split: its column of splits; empty if it has none.
        person: its column of people; empty if it has none.
        labels: every label that a good line names.
        others: its columns that mean nothing to ferjax.
    """

    split: str
    person: str
    labels: frozenset[str]
    others: tuple[str, ...]

    def without(self, used: Collection[str]) -> "Columns":
        """Returns the same without other columns that are used after all."""
        return self._replace(others=tuple(name for name in self.others if name not in used))


def split_of(word: str) -> str | None:
    """Returns the split that a word names, None if it names none.

    >>> split_of("PublicTest"), split_of("train_set"), split_of("happy")
    ('validation', 'train', None)
    """
    return SPLITS.get(_plain(word))


def columns_of(path: Path, required: Sequence[str]) -> Columns:
    """Reads a whole list once.

    Args:
        path: a CSV file, see `text_files.table`.
        required: columns that must be there, `label` among them.

    Raises:
        UserError: two columns name the split or the person, or one names splits that are none.
    """
    labels: set[str] = set()
    found: dict[str, set[str]] = {}  # column → its words, as long as all are splits
    names: tuple[str, ...] = ()
    strange: dict[str, str] = {}
    for _, row in table(path, required):
        if isinstance(row, ValueError):
            continue
        if not names:
            names = tuple(name for name in row if name not in required)
            found = {name: set() for name in names}
        if row["label"]:
            labels.add(row["label"])
        if len(labels) > MOST_LABELS:
            raise UserError(
                f"{path} has more than {MOST_LABELS} different labels, too many for classes; one is "
                f"{row['label'][:40]!r}"
            )
        for name in list(found):
            if split_of(row[name]) is None:
                strange[name] = row[name]
                if name not in _splits(names):
                    del found[name]  # for good: one other word is enough
            else:
                found[name].add(row[name])
    split = _one(path, "split", _splits(names))
    if split and not found[split]:
        raise UserError(
            f"the column {split!r} of {path} holds {strange[split][:20]!r}, which is no split: it takes "
            "train, validation and test; rename the column if it means something else"
        )
    # A column of another name whose every word is a split can mean nothing else.
    split = split or _one(path, "split", [name for name in names if found.get(name)])
    person = _one(path, "person", [name for name in names if _is_person(name)])
    known = (split, person, *NAMES)
    others = tuple(name or "without a name" for name in names if name not in known)
    return Columns(split, person, frozenset(labels), others)


def notes_on(path: Path, columns: Columns, torn: Mapping[str, set[str]]) -> list[str]:
    """Tells how the columns of a list were understood, where that is not obvious.

    Args:
        path: of the list.
        columns: of it.
        torn: person → splits that the person is in.
    """
    notes = []
    if columns.split not in ("", "split"):
        notes.append(f"the splits are those of the column {columns.split!r} of {path.name}")
    if columns.person not in ("", "subject"):
        notes.append(
            f"the column {columns.person!r} of {path.name} names the person: a carved split tears none"
        )
    if columns.others:
        names = listed((repr(name[:30]) for name in columns.others), most=8)
        notes.append(f"columns of {path.name} that are not used: {names}")
    several = sum(len(splits) > 1 for person, splits in torn.items() if person)
    if several:
        notes.append(
            f"{several} of {len(torn.keys() - {''})} people of {path.name} are in more than one split"
        )
    return notes


def _splits(names: Sequence[str]) -> list[str]:
    return [name for name in names if _plain(name) in _SPLIT_NAMES]


def _is_person(name: str) -> bool:
    return re.sub(r"(id|name|no|number|num|code|s)$", "", _plain(name)) in _PERSON_NAMES or (
        _plain(name) in _PERSON_NAMES
    )


def _one(path: Path, what: str, names: Sequence[str]) -> str:
    if len(names) > 1:
        raise UserError(
            f"{path} has the columns {' and '.join(map(repr, names[:3]))}, which both "
            f"name the {what}: leave one"
        )
    return names[0] if names else ""


def _plain(word: str) -> str:
    return re.sub(r"[\s_.\-]", "", word.lower())
