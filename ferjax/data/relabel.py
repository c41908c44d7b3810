"""Replaces labels of a built set by those of a relabel file, see `ferjax.data.relabel_file`."""

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ferjax.data import relabel_file
from ferjax.data.described import describe
from ferjax.data.example_ids import example_ids
from ferjax.data.records import Records
from ferjax.data.relabel_file import RelabelFile
from ferjax.errors import UserError
from ferjax.files import user_path

# The id of an image that a list names: "list.csv:12 happy/0.png".
_OF_A_LIST = re.compile(r"[^/]*:\d+ (?P<path>.+)")


def relabelled(records: Records, file: RelabelFile) -> np.ndarray:
    """Returns the labels of stored examples, with the file's instead of their own: int32 [len(records)].

    The file may also name examples of the set's other splits.

    Args:
        records: of one split, or several.
        file: the labels.

    Raises:
        UserError: the file names examples or classes that the set has not, or other labels than it has.
    """
    file.check_classes(records.label_names)
    splits = tuple(describe(records.name, records.folder).splits)
    stored = {split: _part(records, split) for split in splits}
    labels = {split: part.index.labels.astype(np.int32) for split, part in stored.items()}
    places = _places(file, stored)
    file.check_known(places, records.name)
    for row in file.rows:
        for split, index in places[row.key]:
            file.check_before(row, records.label_names[stored[split].index.labels[index]])
            labels[split][index] = records.label_names.index(row.new)
    return np.concatenate([labels[split] for split in records.split.split("+")])


def _part(records: Records, split: str) -> Records:
    return records if split == records.split else Records(records.name, records.folder, split)


def _places(file: RelabelFile, stored: Mapping[str, Records]) -> dict[str, list[tuple[str, int]]]:
    """Finds the examples that rows name: key → split and index of each."""
    if file.by_place:
        return {
            row.key: [(split, int(index))]
            for row in file.rows
            for split, _, index in [row.key.rpartition("/")]
            if split in stored and re.fullmatch(r"\d{1,12}", index) and int(index) < len(stored[split])
        }
    wanted = {row.key for row in file.rows}
    found: dict[str, list[tuple[str, int]]] = {}
    for split, part in stored.items():
        names = example_ids(part)
        if not names:
            raise UserError(
                f"{part.name} stores no ids: {file.path} must name its examples in the column example, as "
                f"{split}/0"
            )
        for index, name in enumerate(names):
            for key in {name, path_of(name)} & wanted:
                found.setdefault(key, []).append((split, index))
    return found


def path_of(id: str) -> str:
    """Returns the path of the image's file in an id: `list.csv:12 happy/0.png` → `happy/0.png`."""
    match = _OF_A_LIST.fullmatch(id)
    return match["path"] if match else id


def keys_of(records: Records) -> tuple[str, Sequence[str]]:
    """Returns what names every example of a set in a relabel file: the column, and the N keys.

    Ids where the set stores them, and SPLIT/INDEX where it does not, or gives an id twice.
    """
    ids = example_ids(records)
    if ids and len(set(ids)) == len(ids):
        return "id", ids
    parts = records.parts() or [records]
    return "example", [f"{part.split}/{index}" for part in parts for index in range(len(part))]


@functools.lru_cache(maxsize=4)
def _read(path: str, changed: int, size: int) -> RelabelFile:
    return relabel_file.read(path)


def opened(path: str) -> RelabelFile:
    """Reads a relabel file; one that has not changed since is not read again.

    Raises:
        UserError: see `ferjax.data.relabel_file.read`.
    """
    real = user_path(path)
    if not real.is_file():
        return relabel_file.read(real)  # says what is wrong
    status = real.stat()
    return _read(str(real), status.st_mtime_ns, status.st_size)


def provenance(path: str, splits: Sequence[Any]) -> dict[str, Any]:
    """Returns what a run keeps of its relabel file: `file`, `digest` and `replaced` labels by split.

    Args:
        path: `data.relabel`.
        splits: sources, see `ferjax.data.sources.Source.replaced`.
    """
    return opened(path).provenance({source.split: source.replaced for source in splits})
