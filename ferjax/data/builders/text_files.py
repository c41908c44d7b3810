"""Reads the lists that come with a set line by line: a bad line has a number and never spoils another."""

import codecs
import csv
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path, PureWindowsPath

from ferjax.data.plain_files import read_plain
from ferjax.errors import UserError

MAX_LINE = 2**16
# The longest list, FER2013's pixels, has 0.3 GB.
MOST_BYTES = 2**33
# A label or a list of landmarks has a few kilobytes.
MOST_SMALL_BYTES = 2**16
_LISTED = 3  # lacking columns in a message
_MARKS = (  # a mark of UTF-32 begins like one of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yields (number from 1, line) of a text file in UTF-8 (UTF-16 with its mark), blank lines left out.

    Raises:
        UserError: it is no text, is larger than any list, or a line is longer than any that a list of images
            holds.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise UserError(f"{path} is no ordinary file")
    if status.st_size > MOST_BYTES:
        raise UserError(f"{path} has more than {MOST_BYTES >> 30} GiB, which no list has")
    encoding = _encoding(path)
    with open(path, encoding=encoding, errors="surrogateescape" if "8" in encoding else "replace") as file:
        number = 0
        while line := file.readline(MAX_LINE):
            number += 1
            if len(line) == MAX_LINE:
                raise UserError(f"{path} line {number} is longer than any row of such a file")
            if not line.isascii() and any("\udc80" <= letter <= "\udcff" for letter in line):
                raise UserError(f"{path} line {number} is no text in UTF-8: save the file in UTF-8")
            if "\0" in line:
                raise UserError(f"{path} line {number} holds a null character: it is no text file")
            if line.strip():
                yield number, line


def _encoding(path: Path) -> str:
    with open(path, "rb") as file:
        start = file.read(4)
    return next((name for mark, name in _MARKS if start.startswith(mark)), "utf-8-sig")


def small_text(path: Path) -> str:
    """Reads a text file of a few kilobytes.

    Raises:
        ValueError: it is larger, no plain file, or cannot be read.
    """
    return read_plain(path, MOST_SMALL_BYTES).decode(errors="replace")


def listed_path(folder: Path, text: str) -> Path:
    r"""Returns the path below `folder` that a list names, with / or with \ between the names.

    >>> listed_path(Path("faces"), "happy\\0.png").as_posix()
    'faces/happy/0.png'

    Raises:
        ValueError: it is a path of a drive.
    """
    path = folder / text
    if "\\" not in text or os.path.exists(path):
        return path
    windows = PureWindowsPath(text)
    if windows.anchor:
        raise ValueError(f"{text[:60]!r} is a path of another computer; paths must be relative to {folder}")
    return folder / windows.as_posix()


def fields(line: str) -> list[str]:
    """Splits a line of a CSV file; quotes may enclose a comma. Blanks around a field are dropped.

    Raises:
        ValueError: it cannot be split.
    """
    # A line alone, not the file: an odd quote would otherwise swallow the lines after it.
    try:
        return [field.strip() for field in next(csv.reader([line.rstrip("\r\n")]))]
    except csv.Error as error:
        raise ValueError(str(error)) from error


def header(path: Path) -> list[str]:
    """Returns the names in the first line of a CSV file, in lower case.

    Raises:
        UserError: the file is empty, or the line is none of names.
    """
    return _header(path, next(lines(path), None))


def _header(path: Path, first: tuple[int, str] | None) -> list[str]:
    if first is None:
        raise UserError(f"{path} is empty")
    try:
        return [name.lower() for name in fields(first[1])]
    except ValueError as error:
        raise UserError(f"{path} line {first[0]}: {error}") from error


def table(
    path: Path, columns: Sequence[str], *, headless: Sequence[str] = ()
) -> Iterator[tuple[int, dict[str, str] | ValueError]]:
    """Yields (line number, column → field) of a CSV file; the dict is a ValueError where a line is bad.

    Args:
        path: the file. Its first line names the columns: in any order and case, blanks around them.
        columns: the names, in lower case, that must be there.
        headless: the columns of a copy without a first line that names them; there is none if left out.

    Raises:
        UserError: a column is missing or there twice, or the file is empty.
    """
    numbered = lines(path)
    first = next(numbered, (0, ""))
    number, line = first
    names = _header(path, first if line else None)
    if headless and len(names) == len(headless) and not set(names) & set(columns):
        names = list(headless)
        yield number, dict(zip(names, fields(line), strict=True))
    if lacking := [column for column in columns if column not in names]:
        rest = f" and {len(lacking) - _LISTED} more" if len(lacking) > _LISTED else ""
        raise UserError(
            f"{path} has no column {' and no column '.join(lacking[:_LISTED])}{rest}: its first line is "
            f"{line.strip()[:80]!r}{_separator(line, len(names))}"
        )
    if twice := sorted({name for name in names if name and names.count(name) > 1}):
        raise UserError(f"{path} has two columns called {twice[0][:40]!r}: leave one")
    for number, line in numbered:
        try:
            values = fields(line)
        except ValueError as error:
            yield number, error
            continue
        if len(values) == len(names):
            yield number, dict(zip(names, values, strict=True))
        else:
            yield number, ValueError(f"{len(values)} fields, expected {len(names)}")


def _separator(line: str, fields: int) -> str:
    found = next((name for mark, name in ((";", "semicolons"), ("\t", "tabs")) if mark in line), "")
    return f"; its fields are separated by {found}, and must be by commas" if found and fields == 1 else ""
