"""Gives listed images the labels of a relabel file, see `ferjax.data.relabel_file`."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ferjax.data.builders.image_items import Item
from ferjax.data.relabel_file import RelabelFile
from ferjax.errors import UserError


def with_labels_of(
    file: RelabelFile,
    folder: Path,
    items: Iterator[Item],
    classes: Callable[[], Sequence[str]],
    note: Callable[[str], None],
) -> Iterator[Item]:
    """Yields the items with the file's labels.

    Args:
        file: names images by their id in the built set, or by their path below the folder.
        folder: of the user.
        items: what the folder holds.
        classes: returns the set's classes, which are known with the first item.
        note: takes a sentence on what was replaced, at the end.

    Raises:
        UserError: the file names other classes, other labels than the items have, or other images; the last
            is known at the end.
    """
    if file.by_place:
        raise UserError(f"{file.path} names examples by their place; for a folder it must name paths")
    rows, seen, replaced = {row.key: row for row in file.rows}, set(), 0
    for item in items:
        if not seen:
            file.check_classes(classes())
        names = (item.id, item.path.relative_to(folder).as_posix())
        seen.update(names)
        row = rows.get(names[0]) or rows.get(names[1])
        if row is None:
            yield item
            continue
        file.check_before(row, item.label)
        replaced += item.label != row.new
        yield dataclasses.replace(item, label=row.new)
    file.check_known(seen, str(folder))
    note(
        f"{replaced:,} labels are replaced by those of {file.path} ({len(file.rows):,} rows, SHA-256 "
        f"{file.digest})"
    )
