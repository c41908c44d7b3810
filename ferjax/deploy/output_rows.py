"""Writes predictions, one row a face, as a table, as JSON lines or as CSV."""

import csv
import json
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TextIO

import numpy as np

from ferjax.files import plain
from ferjax.platform.console import printable
from ferjax.scores.affect import DIMENSIONS

FORMATS = ("table", "jsonl", "csv")
OK, NO_FACE, FAILED, SKIPPED = "ok", "no face", "failed", "skipped"
_NAME_WIDTH = 40  # letters of a name in the table
# A line end is part of a name; the others would change a terminal on which rows are printed.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
SIDES = ("left", "top", "right", "bottom")


class Row(NamedTuple):
    """A face, or the reason why there is none.

    Attributes:
        source: the name of the picture or video.
        status: `ok`; `no face`; `failed`: it cannot be read; `skipped`: another file in a folder.
        reason: why it failed or was skipped, else empty.
        time: seconds into a video.
        face: its number from 1 on: in a picture the largest first; in a video a person keeps it.
        box: (left, top, right, bottom) in pixels; None if the whole picture is a face.
        score: the detector's confidence, 0 to 1.
        probabilities: float32 `[K]`, calibrated.
        affect: valence and arousal, float32 `[2]`; None if the network does not say them.
        unlike: whether it is unlike the faces that the network was trained on; None: not known.
        lasts: seconds that the video's frame is shown; 0: unknown. It is not written.
    """

    source: str
    status: str
    reason: str = ""
    time: float | None = None
    face: int | None = None
    box: tuple[float, float, float, float] | None = None
    score: float | None = None
    probabilities: np.ndarray | None = None
    affect: np.ndarray | None = None
    unlike: bool | None = None
    lasts: float = 0.0


def top_classes(probabilities: np.ndarray, label_names: Sequence[str], top_k: int) -> dict[str, float]:
    """Returns the `top_k` most likely classes and their probabilities, highest first; all for 0."""
    order = np.argsort(-probabilities, kind="stable")[: top_k or None]
    return {label_names[int(index)]: float(probabilities[index]) for index in order}


def is_unsure(probabilities: np.ndarray, below: float) -> bool:
    """Tells whether the most likely class of a face has less than a threshold."""
    return bool(probabilities.max() < below)


def affect_by_name(row: Row) -> dict[str, float]:
    """Returns `valence` and `arousal` of a face; nothing if the network does not say them."""
    return {} if row.affect is None else dict(zip(DIMENSIONS, map(float, row.affect), strict=True))


def signed(value: float) -> str:
    """Formats valence or arousal with its sign: "+0.42"."""
    return f"{value:+.2f}"  # the font of annotated pictures has no other minus


SetOf = Callable[[np.ndarray], Sequence[str] | None]


class Doubt(NamedTuple):
    """What is said of how far an answer can be relied on.

    Attributes:
        below: a face whose most likely class has less than this is unsure; 0: nothing is said.
        set_of: from float `[K]` to the classes that may be the actual one; None: nothing is said.
        coverage: how often they hold the actual one.
    """

    below: float = 0.0
    set_of: SetOf | None = None
    coverage: float = 0.0

    def classes(self, probabilities: np.ndarray) -> list[str] | None:
        """Returns the classes of a face's set; None if nothing is said of it."""
        found = self.set_of(probabilities) if self.set_of else None
        return None if found is None else list(found)


class Writer(Protocol):
    """Takes rows one after the other."""

    def write(self, row: Row) -> None:
        """Writes one row, or keeps it for later."""

    def close(self) -> None:
        """Writes the rows that were kept."""


def writer(
    kind: str,
    label_names: Sequence[str],
    top_k: int,
    out: TextIO,
    live: bool = False,
    unsure_below: float = 0.0,
    has_affect: bool = False,
    set_of: SetOf | None = None,
    coverage: float = 0.0,
    tells_unlike: bool = False,
) -> Writer:
    """Creates a writer to an open file.

    Args:
        kind: one of `FORMATS`.
        label_names: the K classes.
        top_k: how many classes are written for a face, the most likely first; 0: all. CSV has all.
        out: the file.
        live: the table gets a line for every frame of a video at once, instead of means at its end.
        unsure_below: a face whose most likely class has less than this is called unsure; 0: nothing is said.
        has_affect: CSV has the columns valence and arousal at its end.
        set_of: from float `[K]` to the classes of a face's set; None: nothing is said.
        coverage: how often the set shall hold the actual class.
        tells_unlike: CSV has the column unlike after the set.
    """
    doubt = Doubt(unsure_below, set_of, coverage)
    if kind == "table":
        return _Table(label_names, top_k, out, live, doubt)
    if kind == "csv":
        return _Csv(label_names, out, doubt, has_affect, tells_unlike)
    return _JsonLines(label_names, top_k, out, doubt)


class _JsonLines:
    def __init__(self, label_names: Sequence[str], top_k: int, out: TextIO, doubt: Doubt) -> None:
        self._label_names, self._top_k, self._out, self._doubt = label_names, top_k, out, doubt

    def write(self, row: Row) -> None:
        print(_json(row, self._label_names, self._top_k, self._doubt), file=self._out, flush=True)

    def close(self) -> None:
        pass


class _Csv:
    """Writes a column for every class."""

    def __init__(
        self, label_names: Sequence[str], out: TextIO, doubt: Doubt, has_affect: bool, tells_unlike: bool
    ) -> None:
        self._label_names, self._doubt, self._has_affect = label_names, doubt, has_affect
        self._tells_unlike = tells_unlike
        self._table = csv.writer(out, lineterminator="\n")
        head = ("source", "status", "reason", "time", "face", *SIDES, "score", "label", "probability")
        chances = (f"p_{name}" for name in label_names)
        unlike = ("unlike",) if tells_unlike else ()
        self._table.writerow([*head, *chances, "unsure", "set", *unlike, *self._affect(DIMENSIONS)])

    def write(self, row: Row) -> None:
        values = ["", ""] if row.affect is None else [_number(float(value)) for value in row.affect]
        cells = _cells(row, self._label_names)
        unlike = (None if row.unlike is None else json.dumps(row.unlike),) if self._tells_unlike else ()
        self._table.writerow([*cells, self._unsure(row), self._set(row), *unlike, *self._affect(values)])

    def _affect(self, cells: Sequence[str | None]) -> Sequence[str | None]:
        return cells if self._has_affect else ()

    def _unsure(self, row: Row) -> str | None:
        if row.probabilities is None or not self._doubt.below:
            return None
        return json.dumps(is_unsure(row.probabilities, self._doubt.below))

    def _set(self, row: Row) -> str | None:
        classes = None if row.probabilities is None else self._doubt.classes(row.probabilities)
        return None if classes is None else "|".join(classes)

    def close(self) -> None:
        pass


class _Table:
    """Writes a line a face; for a video, at its end, the mean of each of its faces."""

    def __init__(self, label_names: Sequence[str], top_k: int, out: TextIO, live: bool, doubt: Doubt) -> None:
        self._label_names, self._top_k, self._out, self._live = label_names, top_k, out, live
        self._doubt = doubt
        self._video: list[Row] = []

    def write(self, row: Row) -> None:
        if self._video and (row.time is None or row.source != self._video[0].source):
            self.close()
        if row.time is None or self._live:
            self._print(row)
        else:
            self._video.append(row._replace(box=None))

    def close(self) -> None:
        for row in video_means(self._video):
            self._print(row)
        self._video = []

    def _print(self, row: Row) -> None:
        text = line(row, self._label_names, self._top_k, self._doubt.below)
        classes = None if row.probabilities is None else self._doubt.classes(row.probabilities)
        if classes is not None:
            text += f"  {self._doubt.coverage:.0%}: {printable(', '.join(classes)) or 'no class'}"
        if row.unlike:
            text += "  unlike the faces it was trained on"
        print(text, file=self._out, flush=True)


def video_means(video: Sequence[Row]) -> list[Row]:
    """Averages the rows of a video for each face; `time` becomes the seconds of the frames that show it."""
    first: dict[int, Row] = {}
    seconds: defaultdict[int, float] = defaultdict(float)
    probabilities: dict[int, list[np.ndarray]] = {}
    affect: defaultdict[int, list[np.ndarray]] = defaultdict(list)
    unlike: defaultdict[int, list[bool]] = defaultdict(list)
    for row in video:
        if row.probabilities is not None and row.face is not None:
            first.setdefault(row.face, row)
            seconds[row.face] += row.lasts
            probabilities.setdefault(row.face, []).append(row.probabilities)
            if row.affect is not None:
                affect[row.face].append(row.affect)
            if row.unlike is not None:
                unlike[row.face].append(row.unlike)
    if not first:
        return [video[0]._replace(time=(video[-1].time or 0.0) + video[-1].lasts)] if video else []
    return [
        row._replace(
            time=seconds[face],
            probabilities=_mean(probabilities[face]),
            affect=_mean(affect[face]) if affect[face] else None,
            unlike=sum(unlike[face]) > len(unlike[face]) / 2 if unlike[face] else None,
        )
        for face, row in sorted(first.items())
    ]


def _mean(values: Sequence[np.ndarray]) -> np.ndarray:
    return np.asarray(np.mean(np.stack(values), axis=0, dtype=np.float64))


def fields_of(row: Row, label_names: Sequence[str], top_k: int, doubt: Doubt) -> dict[str, object]:
    """Returns what is known of a row by the names of the JSON lines.

    Args:
        row: a face, or the reason why there is none.
        label_names: the K classes.
        top_k: how many classes are named, the most likely first; 0: all.
        doubt: what is said of how far an answer can be relied on.
    """
    fields = row._asdict()
    del fields["probabilities"], fields["affect"], fields["lasts"]
    known = {name: value for name, value in fields.items() if value not in (None, "")}
    if row.probabilities is not None:
        chances = top_classes(row.probabilities, label_names, top_k)
        label = next(iter(chances))
        known |= {"label": label, "probability": chances[label], "probabilities": chances}
        if doubt.below:
            known["unsure"] = is_unsure(row.probabilities, doubt.below)
        if (classes := doubt.classes(row.probabilities)) is not None:
            known |= {"set": classes, "set_coverage": doubt.coverage}
    return {**known, **affect_by_name(row)}


def _json(row: Row, label_names: Sequence[str], top_k: int, doubt: Doubt) -> str:
    known = fields_of(row, label_names, top_k, doubt)
    # JSON leaves control characters above 127 as they are, and some terminals obey them.
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(plain(known), ensure_ascii=False))


def _cells(row: Row, label_names: Sequence[str]) -> list[object]:
    source, reason = (_CONTROL.sub("?", text) for text in (row.source, row.reason))
    known: list[object] = [source, row.status, reason, _number(row.time), row.face]
    known += [*map(_number, row.box or (None,) * 4), _number(row.score)]
    if row.probabilities is None:
        return [*known, *(None,) * (2 + len(label_names))]
    ((label, chance),) = top_classes(row.probabilities, label_names, 1).items()
    return [*known, label, *map(_number, (chance, *row.probabilities))]


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:.6g}"


def line(row: Row, label_names: Sequence[str], top_k: int, below: float = 0.0) -> str:
    """Formats a row as a line of the table, with `unsure` at its end if no class has `below` or more."""
    name = row.source if len(row.source) <= _NAME_WIDTH else f"…{row.source[1 - _NAME_WIDTH :]}"
    name = printable(name)
    when = "" if row.time is None else f"{row.time:8.2f} s"
    if row.probabilities is None:
        reason = f": {printable(row.reason)}" if row.reason else ""
        return f"{name:{_NAME_WIDTH}}{when}  {row.status}{reason}"
    chances = _percentages(row.probabilities, label_names, top_k)
    values = "".join(f"  {name} {signed(value)}" for name, value in affect_by_name(row).items())
    end = "  unsure" if is_unsure(row.probabilities, below) else ""
    return f"{name:{_NAME_WIDTH}}{when}  face {row.face:<4}{chances}{values}{end}"


def _percentages(probabilities: np.ndarray, label_names: Sequence[str], top_k: int) -> str:
    """Formats the most likely classes: `happy  93%  neutral   4%`."""
    width = max(map(len, label_names))
    chances = top_classes(probabilities, label_names, top_k)
    return "  ".join(f"{printable(label):>{width}} {chance:4.0%}" for label, chance in chances.items())
