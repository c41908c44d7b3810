"""What predictions tell, a row a face: as a table, as JSON lines, as CSV."""

import csv
import json
from collections.abc import Sequence
from typing import NamedTuple, Protocol, TextIO

import numpy as np

from ferjax.files import plain

FORMATS = ("table", "jsonl", "csv")
OK, NO_FACE, FAILED, SKIPPED = "ok", "no face", "failed", "skipped"
_ROOM = 40  # letters of a name in the table
_WHERE = ("left", "top", "right", "bottom")


class Row(NamedTuple):
    """A face, or why there is none.

    Attributes:
        source: the picture or video as it was named.
        status: `ok`; `no face`; `failed`: it cannot be read; `skipped`: what a folder holds besides pictures.
        reason: why it failed or was skipped, else empty.
        time: seconds into a video.
        face: its number, from 1 on: in a picture the largest first, in a video the same for the same person.
        box: (left, top, right, bottom) in pixels; None of a picture that is a face as a whole.
        score: how sure the detector is, 0 to 1.
        probabilities: float32 `[K]`, calibrated.
    """

    source: str
    status: str
    reason: str = ""
    time: float | None = None
    face: int | None = None
    box: tuple[float, float, float, float] | None = None
    score: float | None = None
    probabilities: np.ndarray | None = None


def best(probabilities: np.ndarray, label_names: Sequence[str], top_k: int) -> dict[str, float]:
    """The classes of the highest probabilities in their order; all if `top_k` is 0."""
    order = np.argsort(-probabilities, kind="stable")[: top_k or None]
    return {label_names[index]: float(probabilities[index]) for index in order}


class Writer(Protocol):
    """What rows are told to, one after the other."""

    def write(self, row: Row) -> None:
        """Tells one row."""

    def close(self) -> None:
        """Tells what was kept for the end."""


def writer(kind: str, label_names: Sequence[str], top_k: int, out: TextIO, live: bool = False) -> Writer:
    """What writes rows to an open file.

    Args:
        kind: one of `FORMATS`.
        label_names: the K classes.
        top_k: how many of them are told of a face, the best first; 0: all.
        out: the file.
        live: the table has a line for every frame of a video too, as they come.
    """
    if kind == "table":
        return _Table(label_names, top_k, out, live)
    return _Csv(label_names, out) if kind == "csv" else _JsonLines(label_names, top_k, out)


class _JsonLines:
    def __init__(self, label_names: Sequence[str], top_k: int, out: TextIO) -> None:
        self._label_names, self._top_k, self._out = label_names, top_k, out

    def write(self, row: Row) -> None:
        print(_json(row, self._label_names, self._top_k), file=self._out, flush=True)

    def close(self) -> None:
        pass


class _Csv:
    """All classes have a column, whatever `top_k` is."""

    def __init__(self, label_names: Sequence[str], out: TextIO) -> None:
        self._label_names, self._table = label_names, csv.writer(out, lineterminator="\n")
        head = ("source", "status", "reason", "time", "face", *_WHERE, "score", "label", "probability")
        self._table.writerow([*head, *(f"p_{name}" for name in label_names)])

    def write(self, row: Row) -> None:
        self._table.writerow(_cells(row, self._label_names))

    def close(self) -> None:
        pass


class _Table:
    """A line a face; of a video, when it is over, the mean of each of its faces."""

    def __init__(self, label_names: Sequence[str], top_k: int, out: TextIO, live: bool) -> None:
        self._label_names, self._top_k, self._out, self._live = label_names, top_k, out, live
        self._video: list[Row] = []

    def write(self, row: Row) -> None:
        if self._video and (row.time is None or row.source != self._video[0].source):
            self.close()
        if row.time is None or self._live:
            print(line(row, self._label_names, self._top_k), file=self._out, flush=True)
        else:
            self._video.append(row._replace(box=None))

    def close(self) -> None:
        for row in means(self._video):
            print(line(row, self._label_names, self._top_k), file=self._out, flush=True)
        self._video = []


def means(video: Sequence[Row]) -> list[Row]:
    """Of the rows of a video's frames one for each face, `time` being how long it was seen."""
    faces: dict[int, list[Row]] = {}
    for row in video:
        if row.probabilities is not None:
            faces.setdefault(row.face, []).append(row)
    if not faces:
        return [video[0]._replace(time=video[-1].time)] if video else []
    return [
        own[0]._replace(
            time=own[-1].time - own[0].time,
            probabilities=np.mean([row.probabilities for row in own], axis=0, dtype=np.float64),
        )
        for _, own in sorted(faces.items())
    ]


def _json(row: Row, label_names: Sequence[str], top_k: int) -> str:
    known = row._replace(probabilities=None)._asdict()
    found = {name: value for name, value in known.items() if value not in (None, "")}
    if row.probabilities is not None:
        chances = best(row.probabilities, label_names, top_k)
        label = next(iter(chances))
        found |= {"label": label, "probability": chances[label], "probabilities": chances}
    return json.dumps(plain(found), ensure_ascii=False)


def _cells(row: Row, label_names: Sequence[str]) -> list[object]:
    known = [row.source, row.status, row.reason, _number(row.time), row.face]
    known += [*map(_number, row.box or (None,) * 4), _number(row.score)]
    if row.probabilities is None:
        return [*known, *(None,) * (2 + len(label_names))]
    ((label, chance),) = best(row.probabilities, label_names, 1).items()
    return [*known, label, *map(_number, (chance, *row.probabilities))]


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.6g}"


def line(row: Row, label_names: Sequence[str], top_k: int) -> str:
    """A row for a person."""
    name = row.source if len(row.source) <= _ROOM else f"…{row.source[1 - _ROOM :]}"
    # A name may hold what would move a terminal's cursor.
    name = "".join(letter if letter.isprintable() else "?" for letter in name)
    when = "" if row.time is None else f"{row.time:8.2f} s"
    if row.probabilities is None:
        return f"{name:{_ROOM}}{when}  {row.status}{f': {row.reason}' if row.reason else ''}"
    return f"{name:{_ROOM}}{when}  face {row.face:<4}{shares(row.probabilities, label_names, top_k)}"


def shares(probabilities: np.ndarray, label_names: Sequence[str], top_k: int) -> str:
    """The best classes as text: `happy 93 %  neutral 4 %`."""
    width = max(map(len, label_names))
    found = best(probabilities, label_names, top_k).items()
    return "  ".join(f"{label:>{width}} {chance:4.0%}" for label, chance in found)
