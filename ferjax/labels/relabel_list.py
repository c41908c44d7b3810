"""Writes the suspects of a set as a relabel file, for people to fill in, and never over their work."""

import csv
from pathlib import Path

import numpy as np

from ferjax.data import relabel_file
from ferjax.data.relabel_file import NEW
from ferjax.errors import UserError
from ferjax.files import write_atomic
from ferjax.labels.found import Found
from ferjax.labels.whole_set import WholeSet
from ferjax.platform import outputs


def replaced(whole: WholeSet) -> dict[str, str]:
    """Returns what an earlier relabel file did: key of each example that it changed → the label it has now.

    Labels that were made wrong on purpose are not taken over into a list.
    """
    if whole.planted is not None:
        return {}
    changed = np.flatnonzero(whole.labels != whole.records.index.labels).tolist()
    return {whole.keys[place]: whole.label_names[int(whole.labels[place])] for place in changed}


def check(path: Path, whole: WholeSet) -> None:
    """Raises UserError if the place holds another file, or a list in which somebody has filled in labels."""
    if not path.exists():
        return
    with outputs.describing_errors(path), path.open(encoding="utf-8", errors="replace", newline="") as file:
        rows = csv.DictReader(file)
        names = list(rows.fieldnames or ())
        if names not in [[key, *relabel_file.COLUMNS] for key in relabel_file.KEYS]:
            raise UserError(f"{path} was not written by ferjax labels and would be overwritten; move it away")
        before = replaced(whole)
        if any(row[NEW] and before.get(row[names[0]]) != row[NEW] for row in rows):
            raise UserError(
                f"{path} holds labels that somebody has filled in and that would be lost: move it away, or "
                "name another --out"
            )


def write(path: Path, found: Found) -> None:
    """Writes a row for each suspect, the worst first; the column of new labels is empty.

    Where the labels were replaced by an earlier file, the list takes its place: its labels stand in the
    column of new labels, those of suspects too, and examples that are no suspects follow them.

    Raises:
        UserError: see `check`; or the place cannot be written.
    """
    check(path, found.whole)
    whole, names = found.whole, found.whole.label_names
    before = replaced(whole)
    stored = whole.records.index.labels

    def row(place: int, suggestion: str, score: str) -> tuple[str, ...]:
        key, label = whole.keys[place], names[int(whole.labels[place])]
        if key in before:
            label = names[int(stored[place])]
        return key, label, suggestion, score, before.get(key, "")

    rows = [
        row(int(example), names[int(suggested)], f"{score:.4f}")
        for example, suggested, score in zip(*found.suspects, strict=True)
    ]
    if before:
        others = np.setdiff1d(np.flatnonzero(whole.labels != stored), found.suspects.examples)
        rows += [row(place, "", "") for place in others.tolist()]
    with outputs.describing_errors(path):
        write_atomic(path, relabel_file.content(whole.key, rows))
