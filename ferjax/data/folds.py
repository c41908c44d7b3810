"""Chooses which examples of a whole set are its test split, when the set is divided into folds.

`3/10` is the third of ten folds, stratified and grouped; `train:3/10` the third of ten folds of the stored
split train alone, where other splits are neither trained on nor tested; `subject:KA` leaves one subject (or
source image) out; `character:aia` and `subject:S0*` hold out all examples with a value, or a value that
starts so. Inner folds divide what is not test in the same way, for choosing by cross-validation.
"""

import dataclasses
import re

import numpy as np

from ferjax.data.carving import deal, group_numbers
from ferjax.data.seeded import Draws
from ferjax.data.split_index import Index, Key
from ferjax.errors import UserError, nearest

# What may stand before the colon: `subject` and `group` are whatever the set is grouped by.
HELD_OUT = ("subject", "group", "character")
SPLITS = ("train", "validation", "test")
FORMS = (
    "'3/10' (third fold of ten), 'train:3/10' (of that split alone), 'subject:NAME', 'group:NAME' or "
    "'character:NAME' (NAME may end in *)"
)


@dataclasses.dataclass(frozen=True)
class KFold:
    """The fold `number` (from 1) of `count`; of one stored split where `split` names it, else of all."""

    number: int
    count: int
    split: str = ""


@dataclasses.dataclass(frozen=True)
class HoldOut:
    """The examples whose `key` (of `HELD_OUT`) is `value`, or starts with it where `value` ends in *."""

    key: str
    value: str


def parse(fold: str) -> KFold | HoldOut:
    """Reads the config field `data.fold`.

    Raises:
        UserError: it is none of `FORMS`.
    """
    if match := re.fullmatch(rf"(?:({'|'.join(SPLITS)}):)?(\d{{1,6}})/(\d{{1,6}})", fold):
        number, count = int(match[2]), int(match[3])
        if count < 2 or not 1 <= number <= count:
            raise UserError(f"data.fold {fold!r}: folds are numbered 1/k … k/k, with k at least 2")
        return KFold(number, count, match[1] or "")
    key, colon, value = fold.partition(":")
    if not colon or not value or key not in HELD_OUT:
        raise UserError(f"data.fold {fold!r} is none of {FORMS}")
    return HoldOut(key, value)


def of_split(split: str, number: int, count: int) -> str:
    """Writes a fold as `parse` reads it: `number` of `count`, of one stored split, or of all if empty."""
    return f"{split}:{number}/{count}" if split else f"{number}/{count}"


def parse_inner(fold: str) -> KFold:
    """Reads the config field `data.inner_fold`.

    Raises:
        UserError: it is not the number of a fold.
    """
    if match := re.fullmatch(r"(\d{1,6})/(\d{1,6})", fold):
        number, count = int(match[1]), int(match[2])
        if count >= 2 and 1 <= number <= count:
            return KFold(number, count)
    raise UserError(f"data.inner_fold {fold!r}: folds are numbered 1/k … k/k, with k at least 2")


def held_out(name: str, index: Index, fold: KFold | HoldOut) -> np.ndarray:
    """Returns which examples a fold tests: bool [N].

    Args:
        name: the set's name, for messages.
        index: of the whole set.
        fold: which of its folds.

    Raises:
        UserError: the set is not grouped so, has no such value, or fewer groups than folds.
    """
    if isinstance(fold, KFold):
        return _parts(name, index, fold.count) == fold.number - 1
    key = _key(name, index, fold.key)
    prefix = fold.value.removesuffix("*")
    matching = [
        code
        for code, held in enumerate(key.names)
        if held == fold.value or (prefix != fold.value and held.startswith(prefix))
    ]
    if not matching:
        near = nearest(fold.value, key.names, most=5)
        raise UserError(f"{name} has no {fold.key} {fold.value!r} among {len(key.names)}: {near}")
    if len(matching) == len(key.names) and key.codes.min() >= 0:
        raise UserError(
            f"data.fold {fold.key}:{fold.value} holds out all of {name}: nothing is left to train on"
        )
    return np.isin(key.codes, matching)


def every_fold(name: str, index: Index, kind: str) -> list[str]:
    """Names all folds of a kind: "10" → 1/10 … 10/10; "subject" → a fold for each subject of the set.

    Raises:
        UserError: `kind` is neither a number nor one of `HELD_OUT`, or the set is not grouped so.
    """
    if kind.isdigit():
        folds = [f"{number}/{kind}" for number in range(1, int(kind) + 1)]
        parse(folds[0] if folds else "1/0")
        return folds
    if kind not in HELD_OUT:
        raise UserError(f"folds {kind!r} are neither a number nor one of {', '.join(HELD_OUT)}")
    return [f"{kind}:{value}" for value in _key(name, index, kind).names]


def _key(name: str, index: Index, wanted: str) -> Key:
    key = index.keys.get("character") if wanted == "character" else index.groups
    if key is None:
        held = f"its examples hold {', '.join(index.keys)}" if index.keys else "its examples name no group"
        raise UserError(f"{name} cannot be divided by {wanted}: {held}")
    return key


def _parts(name: str, index: Index, count: int) -> np.ndarray:
    """Returns the fold of each example, 0 … count − 1: int64 [N]."""
    groups = np.arange(len(index.labels)) if index.groups is None else group_numbers(index.groups)
    number = groups.max() + 1
    if count > number:
        raise UserError(
            f"{name} has {number} groups of examples: they make no {count} folds; take {number} or fewer"
        )
    if number < len(index.labels):
        return deal(index.labels, groups, (1 / count,) * count, f"folds/{count}")
    # Every example stands for itself: dealt class by class, which is the same as `deal` but at once.
    parts = np.empty(len(index.labels), np.int64)
    dealt = 0
    for label in np.unique(index.labels):
        members = np.flatnonzero(index.labels == label)
        order = Draws("folds", count, int(label)).order(len(members))
        parts[members[order]] = (dealt + np.arange(len(members))) % count
        dealt += len(members)
    return parts
