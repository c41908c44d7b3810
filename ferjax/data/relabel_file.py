"""Reads a relabel file: a CSV that gives examples of a set other labels, as people write who look at them.

Its first line names the columns: `new_label`, one that says which example is meant (`id`, `path` or
`example`), and if you like `label`, the label that it has so far. Rows without a new label change nothing.
"""

import csv
import hashlib
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ferjax.data.builders.text_files import header, table
from ferjax.errors import UserError, listed
from ferjax.files import user_path
from ferjax.storage.mirrors import shown

NEW = "new_label"
# The columns that say which example is meant. `example` is SPLIT/INDEX, for sets that store no ids.
KEYS = ("id", "path", "example")
COLUMNS = ("label", "suggestion", "score", NEW)
_LISTED = 3


class Row(NamedTuple):
    """One line that has a new label.

    Attributes:
        line: its number in the file, from 1 on.
        key: the example, as the file names it.
        label: the label that the file says it has; empty if the file does not tell.
        new: the label that it is given.
    """

    line: int
    key: str
    label: str
    new: str


class RelabelFile(NamedTuple):
    """The content of a relabel file.

    Attributes:
        path: of the file.
        by_place: whether rows name examples as SPLIT/INDEX instead of by id or path.
        digest: SHA-256 of its bytes, hex.
        rows: those with a new label.
    """

    path: Path
    by_place: bool
    digest: str
    rows: tuple[Row, ...]

    def check_known(self, known: Iterable[str], what: str) -> None:
        """Raises UserError if rows name examples that are not there; `what` is said to lack them."""
        known = set(known)
        if strange := [row for row in self.rows if row.key not in known]:
            others = f" (nor those of {len(strange) - 1} other lines)" if strange[1:] else ""
            raise UserError(
                f"{self.path} line {strange[0].line}: {what} has no example {strange[0].key[:80]!r}{others}; "
                "the file is of another set, or these lines must go"
            )

    def check_classes(self, names: Sequence[str]) -> None:
        """Raises UserError if a label is none of the set's classes."""
        for row in self.rows:
            for word in filter(None, (row.new, row.label)):
                if word not in names:
                    raise UserError(
                        f"{self.path} line {row.line}: {word[:40]!r} is no class; the classes are "
                        f"{listed(names, most=10)}"
                    )

    def check_before(self, row: Row, label: str) -> None:
        """Raises UserError if an example has neither the label that a row tells nor its new one."""
        if row.label and label not in (row.label, row.new):
            raise UserError(
                f"{self.path} line {row.line}: {row.key[:80]!r} is {label}, not {row.label}; the file "
                "was made for another copy of the set, or is applied already"
            )

    def provenance(self, replaced: object) -> dict[str, object]:
        """Returns what a run keeps of it, ready for JSON: `file`, `digest` (SHA-256), `replaced`."""
        return {"file": shown(str(self.path)), "digest": self.digest, "replaced": replaced}


def read(path: Path | str) -> RelabelFile:
    """Reads a relabel file.

    Raises:
        UserError: it is missing, no such CSV, gives an example two labels, or gives none at all.
    """
    path = user_path(path)
    if not path.is_file():
        raise UserError(f"the relabel file {path} is not there, or no plain file")
    names = header(path)
    keys = [name for name in KEYS if name in names]
    if not keys or NEW not in names:
        raise UserError(
            f"{path} is no relabel file: its first line must name the columns {NEW} and one of "
            f"{', '.join(KEYS)}; it names {listed(names, most=8)[:120]}"
        )
    if len(keys) > 1:
        raise UserError(
            f"{path} has the columns {' and '.join(keys)}, which both name the example: leave one"
        )
    rows: dict[str, Row] = {}
    for line, row in table(path, (keys[0], NEW)):
        if isinstance(row, ValueError):
            raise UserError(f"{path} line {line}: {row}")
        if not row[NEW]:
            continue
        if not row[keys[0]]:
            raise UserError(f"{path} line {line} names no example")
        new = Row(line, row[keys[0]], row.get("label", ""), row[NEW])
        first = rows.setdefault(new.key, new)
        if first.new != new.new:
            raise UserError(
                f"{path} gives {new.key[:80]!r} two labels, {first.new[:20]} in line {first.line} and "
                f"{new.new[:20]} in line {line}"
            )
    if not rows:
        raise UserError(
            f"{path} gives no example a new label: fill in the column {NEW}, with the suggestion where it is "
            "right"
        )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return RelabelFile(path, keys[0] == "example", digest, tuple(rows.values()))


def content(key: str, rows: Iterable[Sequence[str]]) -> bytes:
    """Formats a relabel file: rows of key, label, suggestion, score and new label."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([(key, *COLUMNS), *rows])
    return text.getvalue().encode()
