"""What a plan lists: files, members of .tar archives, and groups of rows of Parquet files."""

import json
from typing import Literal, NamedTuple

Kind = Literal["picture", "video", "member", "rows", "failed", "skipped"]


class Entry(NamedTuple):
    """One line of a plan: an input, or the rows of one group of a Parquet file.

    Attributes:
        kind: `picture` and `video` are files, `member` lies in a .tar, `rows` are those of a Parquet file;
            `failed` and `skipped` are told with their reason and not opened.
        path: the file as it was named; a relative one is seen from the plan's folder `base`.
        reason: why it was skipped or failed, else empty.
        member: the name in the archive.
        start: where a member begins, in bytes; the number of a group of rows.
        size: of a member in bytes; how many rows a group has.
        first: the number in the file of a group's first row.
    """

    kind: Kind
    path: str
    reason: str = ""
    member: str = ""
    start: int = 0
    size: int = 0
    first: int = 0

    @property
    def inputs(self) -> int:
        """How many inputs it stands for."""
        return self.size if self.kind == "rows" else 1

    @property
    def work(self) -> int:
        """About as long as so many pictures; a video's length is not known before it is opened."""
        return _PICTURES_OF_A_VIDEO if self.kind == "video" else self.inputs


_PICTURES_OF_A_VIDEO = 64


def to_line(entry: Entry) -> str:
    """Returns an entry as a line of JSON in ASCII, which also holds names that are no text."""
    return json.dumps(entry) + "\n"


def from_line(line: str) -> Entry:
    """Reads what `to_line` wrote.

    Raises:
        ValueError, TypeError: it is something else.
    """
    return Entry(*json.loads(line))
