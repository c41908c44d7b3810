"""Chooses which stored examples make up a split, and keeps the choice in a file beside the set."""

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ferjax.data.array_files import read_arrays, write_arrays
from ferjax.data.carving import carve
from ferjax.data.folds import SPLITS, KFold, held_out, parse, parse_inner
from ferjax.data.records import Records, describe
from ferjax.data.split_index import Index, Key
from ferjax.errors import UserError


class Division(NamedTuple):
    """How a set is divided, where not as it is stored.

    Attributes:
        fold: divides the whole set anew, or one stored split, see `ferjax.data.folds`; empty for the official
            splits.
        val_fraction: what is carved out of train for validation, see `ferjax.data.carving.carve`.
        test_fraction: what is carved out of train for test where the set has no test split.
        inner_fold: "2/5" for the second of five inner folds; none if empty.
    """

    fold: str = ""
    val_fraction: float = 0.0
    test_fraction: float = 0.0
    inner_fold: str = ""


class Choice(NamedTuple):
    """The examples of one split.

    Attributes:
        records: the stored examples that they are chosen from.
        indices: int64 [n], sorted, into `records`; None for all.
        note: a sentence for the user on how the set was divided; empty for official splits.
    """

    records: Records
    indices: np.ndarray | None
    note: str


def choose(name: str, folder: Path, split: str, division: Division) -> Choice:
    """Finds the examples of a split: the official ones, carved ones, or those of a fold.

    A fold divides the whole set anew, its official splits put together, or one of them alone. "test" is what
    the fold holds out; "validation" is carved out of the rest, and "train" is what is left. Without a fold
    only the splits that the set lacks are carved, out of train: first test, then validation. An inner fold
    divides all but test anew: "validation" is what it holds out, and "train" is the rest.

    The indices are kept in `divisions/` beside the set: `train`, `validation` and `test` into the stored
    examples `of`. A division that is kept is read again, so it never changes while the set does not.

    Args:
        name: the set's name, for messages.
        folder: of the built set.
        split: one of `SPLITS`.
        division: how the set is divided.

    Raises:
        UserError: there is no such split or fold.
    """
    official = tuple(describe(name, folder).splits)
    fold, val_fraction, test_fraction, inner_fold = division
    if inner_fold and split in ("train", "validation"):
        return _inner(name, folder, split, division)
    if fold:
        if split not in SPLITS:
            raise UserError(f"a fold of {name} has no split {split!r}; it has {', '.join(SPLITS)}")
        divided = divided_splits(name, folder, fold)
        records = Records(name, folder, "+".join(divided))
        parts = _kept(folder, records, Division(fold, val_fraction))
        together = f"its {len(official)} stored splits put together"
        if divided != official:
            together = f"its stored split {divided[0]} alone"
        note = (
            f"{name} is divided anew, {together}, into fold {fold}: {len(parts['train'])} training, "
            f"{len(parts['validation'])} validation and {len(parts['test'])} test examples"
        )
        return _chosen(
            records, parts, split, note, f"data.fold {fold} of {name} leaves no example for {split}"
        )
    if split == "test" and "test" not in official and not test_fraction:
        keeps = " and keeps its validation split" if "validation" in official else ""
        raise UserError(
            f"{name} has no split 'test'; it has {', '.join(official)}. --config.data.test_fraction=0.2 "
            f"holds that part of train out for test{keeps}; --config.data.fold=1/5 divides the whole set anew"
        )
    carved = [
        part
        for part, fraction in (("validation", 1.0), ("test", test_fraction))
        if fraction and part not in official
    ]
    if not carved or split not in ("train", *carved):
        unused = test_fraction and split == "test"
        note = f"{name} has a test split of its own: data.test_fraction is not used" if unused else ""
        return Choice(Records(name, folder, split), None, note)
    records = Records(name, folder, "train")
    lacked = Division(
        val_fraction=val_fraction if "validation" in carved else 0.0,
        test_fraction=test_fraction if "test" in carved else 0.0,
    )
    parts = _kept(folder, records, lacked)
    groups = records.index.groups
    kept_whole = ", no group on both sides" if groups and groups.names else ""
    note = "; ".join(
        f"{name} has no {part} split: {len(parts[part])} of its {len(records)} training examples are held "
        f"out for {part}, the same part of every class{kept_whole}"
        for part in carved
        if len(parts[part])
    )
    lacking = f"{name} has no {split} split, and val_fraction={val_fraction} carves none"
    if split != "validation":
        lacking = f"data.test_fraction={test_fraction} of {name} leaves no example for {split}"
    return _chosen(records, parts, split, note, lacking)


def divided_splits(name: str, folder: Path, fold: str) -> tuple[str, ...]:
    """Returns the stored splits that a fold divides: all, or the one that it names."""
    kind = parse(fold)
    if isinstance(kind, KFold) and kind.split:
        return (kind.split,)
    return tuple(describe(name, folder).splits)


def _inner(name: str, folder: Path, split: str, division: Division) -> Choice:
    """Finds the examples of a split of an inner fold."""
    division = division._replace(val_fraction=0.0)
    inner_fold = division.inner_fold
    records, rest, _ = choose(name, folder, "train", division._replace(inner_fold=""))
    rest = np.arange(len(records)) if rest is None else rest
    if not division.fold and "validation" in describe(name, folder).splits:
        whole = Records(name, folder, "train+validation")
        rest = np.concatenate([rest, np.arange(len(records), len(whole))])
        records = whole

    def divided() -> dict[str, np.ndarray]:
        return divide_inner(name, records.index, rest, inner_fold)

    parts = _kept(folder, records, division, divided)
    note = (
        f"the {len(rest)} examples of {name} that are not test are divided anew, into inner fold "
        f"{inner_fold}: {len(parts['train'])} training and {len(parts['validation'])} validation examples"
    )
    lacking = f"data.inner_fold {inner_fold} of {name} leaves no example for {split}"
    return _chosen(records, parts, split, note, lacking)


def _chosen(records: Records, parts: dict[str, np.ndarray], split: str, note: str, lacking: str) -> Choice:
    if not len(parts[split]):
        raise UserError(lacking)
    return Choice(records, parts[split], note)


def _kept(
    folder: Path,
    records: Records,
    division: Division,
    divided: Callable[[], dict[str, np.ndarray]] | None = None,
) -> dict[str, np.ndarray]:
    """Returns the division from its file, or computes it, by `divide` if `divided` is None, and writes it."""
    fold, fraction, test_fraction, inner_fold = division
    index = records.index
    identity = hashlib.sha256(f"{fold}\n{fraction!r}\n{records.split}\n{index.digest}".encode())
    if index.groups:
        identity.update(index.groups.codes.astype("<i4").tobytes())
    if test_fraction:
        identity.update(f"\ntest {test_fraction!r}".encode())
    if inner_fold:
        identity.update(f"\ninner {inner_fold}".encode())
    named = " ".join([*[fold] * bool(fold), *["inner", inner_fold] * bool(inner_fold)])
    slug = re.sub(r"[^\w-]+", "_", named, flags=re.ASCII)[:40] or "carved"
    path = folder / "divisions" / f"{slug}-{identity.hexdigest()[:12]}.npz"
    kept = read_arrays(path)
    if kept is not None and _is_whole(kept, len(records)):
        return kept
    parts = divided() if divided else divide(records.name, index, fold, fraction, test_fraction)
    held = {"of": records.split, "fold": fold, "val_fraction": fraction, "test_fraction": test_fraction}
    if inner_fold:
        held["inner_fold"] = inner_fold
    write_arrays(path, **parts, **{key: np.array(value) for key, value in held.items()})
    return parts


def divide(
    name: str, index: Index, fold: str, fraction: float, test_fraction: float = 0.0
) -> dict[str, np.ndarray]:
    """Divides the examples of `index`: split → sorted int64 indices, together 0 … N − 1, none twice.

    Args:
        name: the set's name, for messages.
        index: of all the examples.
        fold: what is test, see `ferjax.data.folds`; nothing if empty.
        fraction: what is carved out of the rest for validation.
        test_fraction: without a fold, what is carved for test.
    """
    test = np.zeros(len(index.labels), bool)
    if fold:
        test = held_out(name, index, parse(fold))
    elif test_fraction:
        test[carve(index.labels, test_fraction, index.groups, "carve test")[1]] = True
    rest = np.flatnonzero(~test)
    groups = index.groups and Key(index.groups.codes[rest], index.groups.names)
    train, validation = carve(index.labels[rest], fraction, groups)
    return {"train": rest[train], "validation": rest[validation], "test": np.flatnonzero(test)}


def divide_inner(name: str, index: Index, rest: np.ndarray, inner_fold: str) -> dict[str, np.ndarray]:
    """Divides `rest` into train and validation: split → sorted int64 indices, together 0 … N − 1, none twice.

    Args:
        name: the set's name, for messages.
        index: of all the examples.
        rest: sorted indices of those that are not test.
        inner_fold: which part of `rest` is validation, "2/5" the second of five.

    Raises:
        UserError: `rest` has fewer groups than there are folds.
    """
    keys = {key: Key(held.codes[rest], held.names) for key, held in index.keys.items()}
    inside = index._replace(labels=index.labels[rest], keys=keys)
    validation = held_out(f"{name} without its test split", inside, parse_inner(inner_fold))
    test = np.ones(len(index.labels), bool)
    test[rest] = False
    return {"train": rest[~validation], "validation": rest[validation], "test": np.flatnonzero(test)}


def _is_whole(kept: dict[str, np.ndarray], count: int) -> bool:
    if not set(SPLITS) <= kept.keys() or any(
        kept[split].dtype != np.int64 or kept[split].ndim != 1 for split in SPLITS
    ):
        return False
    together = np.sort(np.concatenate([kept[split] for split in SPLITS]))
    return np.array_equal(together, np.arange(count))
