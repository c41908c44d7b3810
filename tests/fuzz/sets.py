"""Prepares a set in process, and reconciles the user's pictures with what was stored and told."""

import contextlib
import io
import re
from collections.abc import Mapping
from pathlib import Path

from ferjax.commands.prepare import prepare
from ferjax.data import builders
from ferjax.data.described import describe
from ferjax.data.records import Records
from ferjax.errors import UserError

_COUNT = re.compile(r"\b(\d+) (?:images?|listed files|files|lines|rows|[a-z]+)\b")


def build(name: str, manual: Path, data: Path, found: int, skip: bool, options: Mapping[str, str]):
    """Builds a set; what is refused leaves none, and what is built stores or tells every picture.

    Args:
        found: how many pictures or rows the user's folder holds.
        skip: leave bad rows out.
    """
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            prepare(name, str(manual), str(data), skip_bad_rows=skip, options=options)
    except UserError:
        assert not builders.folder(name, data).exists(), "a refused set was left behind"
        raise
    stored = {}
    folder = builders.folder(name, data)
    info = describe(name, folder)
    for split in info.splits:
        records = Records(name, folder, split)
        for record in records.read(range(len(records))):
            stored.setdefault(record["id"], []).append((split, records.label_names[record["label"]]))
    metadata = info.metadata or {}
    told = metadata.get("bad_rows", 0) + sum(
        int(number) for note in metadata.get("notes", ()) for number in _COUNT.findall(note)
    )
    assert len(stored) + told >= found, f"{found} were found, {len(stored)} stored, {told} told: {metadata}"
    return stored
