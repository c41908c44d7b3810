"""Lists every input of a command line once: files, folders, lists of files, .tar archives, Parquet files."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from ferjax.bulk import tar_shards
from ferjax.bulk.entries import Entry
from ferjax.errors import UserError
from ferjax.inference.inputs import Input, expand

LIST_SUFFIX = ".txt"
_COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst", ".tar.lz4")


def entries(arguments: Iterable[str], column: str, without: Path) -> Iterator[Entry]:
    """Yields the entries of a plan, in order, no file twice.

    Args:
        arguments: what `ferjax.inference.inputs.expand` takes, but no camera; and files that end in .txt,
            whose lines are such arguments. .tar and .parquet files count, also in folders.
        column: see `ferjax.bulk.parquet_shards.groups`.
        without: a folder that is passed over: that of the results may lie in one that is searched.

    Raises:
        UserError: a camera is named, or a list cannot be read.
    """
    results = os.path.join(os.path.abspath(without), "")
    for item in expand(_lines(arguments), containers=True):
        if os.path.abspath(item.path).startswith(results):
            continue
        if item.kind == "camera":
            raise UserError(f"{item.name} has no end: --parts takes pictures and videos")
        if item.kind == "container":
            yield from _inside(item, column)
        elif item.kind in ("failed", "skipped"):
            yield Entry(item.kind, item.name, item.reason)
        elif item.path.name.lower().endswith(_COMPRESSED):
            yield Entry("failed", item.name, "is compressed: unpack the compression first, and name the .tar")
        else:
            yield Entry(item.kind, os.fspath(item.path))


def _inside(item: Input, column: str) -> Iterator[Entry]:
    if item.path.suffix.lower() == ".tar":
        return tar_shards.members(item.path, os.fspath(item.path))
    from ferjax.bulk import parquet_shards  # pyarrow takes a fifth of a second

    return parquet_shards.groups(item.path, os.fspath(item.path), column)


def _lines(arguments: Iterable[str]) -> Iterator[str]:
    """Puts the lines of lists into their place; empty ones are passed over."""
    for argument in arguments:
        path = Path(argument).expanduser()
        if path.suffix.lower() != LIST_SUFFIX or not path.is_file():
            yield argument
            continue
        try:
            with path.open("rb") as file:
                for line in file:
                    if line.strip():
                        yield os.fsdecode(line.rstrip(b"\r\n"))
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}") from error
