"""Reads the lists that come with a set line by line: a bad line has a number and never spoils another."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from ferjax.errors import UserError

MAX_LINE = 2**16


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yields (number from 1, line) of a text file, blank lines left out.

    Raises:
        UserError: a line is longer than any that a list of images holds.
    """
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        number = 0
        while line := file.readline(MAX_LINE):
            number += 1
            if len(line) == MAX_LINE:
                raise UserError(f"{path} line {number} is longer than any row of such a file")
            if line.strip():
                yield number, line


def fields(line: str) -> list[str]:
    """Splits a line of a CSV file; quotes may enclose a comma. Blanks around a field are dropped."""
    # A line alone, not the file: an odd quote would otherwise swallow the lines after it.
    return [field.strip() for field in next(csv.reader([line.rstrip("\r\n")]))]


def table(
    path: Path, columns: Sequence[str], *, headless: Sequence[str] = ()
) -> Iterator[tuple[int, dict[str, str] | ValueError]]:
    """Yields (line number, column → field) of a CSV file; the dict is a ValueError where a line is bad.

    Args:
        path: the file. Its first line names the columns: in any order and case, blanks around them.
        columns: the names, in lower case, that must be there.
        headless: the columns of a copy without a first line that names them; there is none if left out.

    Raises:
        UserError: a column is missing, or the file is empty.
    """
    numbered = lines(path)
    first = next(numbered, None)
    if first is None:
        raise UserError(f"{path} is empty")
    number, line = first
    names = [name.lower() for name in fields(line)]
    if headless and len(names) == len(headless) and not set(names) & set(columns):
        names = list(headless)
        yield number, dict(zip(names, fields(line), strict=True))
    lacking = [column for column in columns if column not in names]
    if lacking:
        raise UserError(
            f"{path} has no column {' and no column '.join(lacking)}: its first line is {line.strip()[:80]!r}"
        )
    for number, line in numbered:
        values = fields(line)
        if len(values) == len(names):
            yield number, dict(zip(names, values, strict=True))
        else:
            yield number, ValueError(f"{len(values)} fields, expected {len(names)}")
