"""Finds and reads the pictures in a column of Parquet files, as Hugging Face's data sets have them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ferjax.bulk.entries import Entry
from ferjax.data.images import BadImage
from ferjax.errors import listed
from ferjax.inference import pictures

_ROWS = 64  # that are decoded at once


def groups(path: Path, name: str, column: str) -> Iterator[Entry]:
    """Lists the groups of rows of a file.

    Args:
        path: the file.
        name: what it is called in the entries.
        column: holds the pictures' files: bytes, or a structure with a field `bytes`.

    Yields:
        One entry a group; a `failed` one if the file cannot be read or has no such column.
    """
    try:
        with pq.ParquetFile(path) as file:
            schema, metadata = file.schema_arrow, file.metadata
            if column not in schema.names or not _holds_bytes(schema.field(column).type):
                reason = f"has no column {column!r} of bytes; it has {listed(schema.names)} (--image_column)"
                yield Entry("failed", name, reason)
                return
            first = 0
            for number in range(metadata.num_row_groups):
                rows = metadata.row_group(number).num_rows
                if rows:
                    yield Entry("rows", name, start=number, size=rows, first=first)
                first += rows
            if not metadata.num_rows:
                yield Entry("failed", name, "has no rows")
    except (pa.ArrowException, OSError) as error:
        yield Entry("failed", name, f"cannot be read as Parquet ({_told(error)})")


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        place = kind.get_field_index("bytes")
        return place >= 0 and _holds_bytes(kind.field(place).type)
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def read(path: Path, entry: Entry, column: str) -> Iterator[bytes | BadImage]:
    """Reads the pictures of a group, a few at a time.

    Args:
        path: the file.
        entry: one that `groups` gave.
        column: see `groups`.

    Yields:
        As many contents as the entry has rows, or the reasons why there are none.
    """
    count = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_ROWS, row_groups=[entry.start], columns=[column]):
                for value in batch.column(0)[: entry.size - count]:
                    yield _content(value.as_py())
                    count += 1
        reason = "is missing: the file has changed"
    except (pa.ArrowException, OSError) as error:
        reason = f"cannot be read ({_told(error)})"
    for _ in range(count, entry.size):
        yield BadImage(reason)


def _content(value: Any) -> bytes | BadImage:
    content = value.get("bytes") if isinstance(value, dict) else value
    if not content:
        return BadImage("holds no bytes" + (", and its path is not followed" if value else ""))
    if len(content) > pictures.MAX_BYTES:
        return BadImage(f"has {len(content):,} bytes; the limit is {pictures.MAX_BYTES:,}")
    return content


def _told(error: Exception) -> str:
    return " ".join(str(getattr(error, "strerror", None) or error).split())[:200]
