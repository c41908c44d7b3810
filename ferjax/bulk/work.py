"""Carries out a task of a plan: reads its inputs, predicts them, writes their rows and what came out."""

import contextlib
import dataclasses
import functools
import hashlib
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import jax

from ferjax.bulk import tar_shards
from ferjax.bulk.entries import Entry
from ferjax.bulk.plan import Plan
from ferjax.config import flat
from ferjax.data.images import BadImage
from ferjax.deploy import output_rows
from ferjax.deploy.faces import Detector
from ferjax.deploy.output_rows import FAILED, NO_FACE, OK, SKIPPED, Doubt
from ferjax.deploy.predict import Options, predict
from ferjax.errors import UserError
from ferjax.files import replacing, text_of, to_json, write_json_atomic
from ferjax.inference.classifier import Classifier
from ferjax.inference.inputs import VIDEO_SUFFIXES, Input
from ferjax.inference.open_run import open_network
from ferjax.inference.trained import Trained
from ferjax.platform import outputs
from ferjax.runs.checksum import checksum

SHOWN = 5  # failures that an outcome quotes
# An input has one status: the first of these that one of its rows has.
_STATUSES = (FAILED, OK, NO_FACE, SKIPPED)


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is asked of every input; small, so that it can be sent to other processes.

    Attributes:
        min_score: see `ferjax.deploy.faces.Detector`; None: every picture is one face.
        tiles: see `ferjax.deploy.predict.Options`, as `smooth` and `every`.
        smooth: seconds.
        every: seconds.
        unsure_below: see `ferjax.deploy.output_rows.writer`; None: the network's own.
        top_k: how many classes are written for a face in JSON lines; 0: all.
        image_column: see `ferjax.bulk.parquet_shards.groups`.
        crops: see `ferjax.inference.trained.Trained.with_crops`.
    """

    min_score: float | None
    tiles: int | None
    smooth: float
    every: float
    unsure_below: float | None
    top_k: int
    image_column: str
    crops: str | None = None


@dataclasses.dataclass(frozen=True)
class Worker:
    """Carries out tasks. Small, so that it can be sent to other processes.

    Attributes:
        plan: whose tasks they are.
        network: a path that every worker sees.
        identity: of the network, see `identity_of`.
        settings: what is asked of every input.
    """

    plan: Plan
    network: Path
    identity: str
    settings: Settings

    def __call__(self, task: int) -> None:
        """Writes the part and the outcome of a task.

        A task may be carried out twice, even at the same time: both write the same, and a file gets its name
        when it is whole.

        Raises:
            UserError: the network is another one now, the plan is damaged, or the disk is full.
        """
        settings = self.settings
        network = _loaded(self.network, self.identity, settings.crops)
        detector = None if settings.min_score is None else _detector(settings.min_score)
        options = Options(detector, settings.tiles, smooth=settings.smooth, every=settings.every)
        entries, part = self.plan.entries(task), self.plan.part(task)
        tally = Tally()
        with outputs.describing_errors(part):
            with replacing(part) as unfinished, _writer(unfinished, part.suffix, network, settings) as rows:
                for outcome in predict(self._inputs(entries), network, options):
                    for row in outcome.rows:
                        rows.write(row)
                        tally.add(outcome.input, row)
            written = tally.outcome()
            if sum(written["inputs"].values()) != self.plan.sizes[task]:
                raise RuntimeError(f"{part}: {written['inputs']} of {self.plan.sizes[task]} inputs")
            write_json_atomic(self.plan.done(task), written)

    def _inputs(self, entries: Sequence[Entry]) -> Iterator[Input]:
        for entry in entries:
            name, path = text_of(entry.path), self.plan.base / entry.path
            if entry.kind == "member":
                yield from _member(entry, path, f"{name}#{text_of(entry.member)}")
            elif entry.kind == "rows":
                from ferjax.bulk import parquet_shards

                column = self.settings.image_column
                contents = parquet_shards.read(path, entry, column)
                for row, content in enumerate(contents, start=entry.first):
                    yield _picture(f"{name}#{row}", path, content)
            else:
                yield Input(entry.kind, name, path, Path(), entry.reason)


def _member(entry: Entry, path: Path, name: str) -> Iterator[Input]:
    suffix = Path(entry.member).suffix.lower()
    try:
        if suffix not in VIDEO_SUFFIXES:
            yield _picture(name, path, b"".join(tar_shards.blocks(path, entry.start, entry.size)))
            return
        with tempfile.NamedTemporaryFile(suffix=suffix) as file:  # OpenCV reads files only
            file.writelines(tar_shards.blocks(path, entry.start, entry.size))
            file.flush()
            yield Input("video", name, Path(file.name), Path())
    except BadImage as error:
        yield _picture(name, path, error)


def _picture(name: str, path: Path, content: bytes | BadImage) -> Input:
    if isinstance(content, BadImage):
        return Input("failed", name, path, Path(), str(content))
    return Input("picture", name, path, Path(), encoded=content)


class Tally:
    """Counts inputs by their status, and faces; quotes the first failures."""

    def __init__(self) -> None:
        self._inputs: Counter[str] = Counter()
        self._failures: list[str] = []
        self._faces = 0
        self._input: Input | None = None
        self._found: set[str] = set()

    def add(self, item: Input, row: output_rows.Row) -> None:
        """Counts a row; those of an input come one after the other."""
        before = self._input
        # A video that cannot be read to its end has a row of its own for that.
        ends_video = before is not None and before.kind == "video" and item[1:3] == before[1:3]
        if item is not before and not ends_video:
            self._close()
            self._input = item
        self._found.add(row.status)
        self._faces += row.status == OK
        if row.status == FAILED and len(self._failures) < SHOWN:
            self._failures.append(f"{row.source} {row.reason}")

    def outcome(self) -> dict:
        """Returns `inputs` by status, the number of `faces` and the first `failures`, for JSON."""
        self._close()
        return {"inputs": dict(self._inputs), "faces": self._faces, "failures": self._failures}

    def _close(self) -> None:
        if self._input is not None:
            self._inputs[next(status for status in _STATUSES if status in self._found)] += 1
        self._input, self._found = None, set()


@contextlib.contextmanager
def _writer(path: Path, suffix: str, network: Classifier, settings: Settings) -> Iterator[output_rows.Writer]:
    """Opens a part; `suffix` is that of its name, as the unfinished file has another."""
    coverage = network.sets.coverage if network.sets else 0.0
    below = network.unsure_below if settings.unsure_below is None else settings.unsure_below
    if suffix == ".parquet":
        from ferjax.deploy.parquet_rows import ParquetRows

        doubt = Doubt(below, network.set_of, coverage)
        tells_unlike = network.distances is not None
        rows = ParquetRows(path, network.label_names, doubt, network.has_affect, tells_unlike)
        with contextlib.closing(rows):
            yield rows
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = output_rows.writer(
            suffix.removeprefix("."),
            network.label_names,
            settings.top_k,
            file,
            unsure_below=below,
            has_affect=network.has_affect,
            set_of=network.set_of,
            coverage=coverage,
            tells_unlike=network.distances is not None,
        )
        yield rows
        rows.close()


_ONE_AT_A_TIME = threading.Lock()


def _loaded(path: Path, identity: str, crops: str | None) -> Classifier:
    """Opens a network once a process, however many threads carry out tasks in it."""
    with _ONE_AT_A_TIME:
        return _load(path, identity, crops)


@functools.lru_cache(maxsize=1)
def _load(path: Path, identity: str, crops: str | None) -> Classifier:
    network = open_network(path).with_crops(crops)
    if identity_of(network) != identity:
        raise UserError(f"{path} has changed since the parts were begun; name another --parts")
    return Classifier.of(network)


@functools.lru_cache(maxsize=1)
def _detector(min_score: float) -> Detector:
    return Detector(min_score)


def identity_of(network: Trained) -> str:
    """Returns a digest of everything in a network that decides its answers."""
    arrays = {key: network.variables[key] for key in sorted(network.variables)}
    facts = {
        "weights": checksum(jax.device_get(arrays)),
        "config": dict(flat(network.config)),
        "names": network.label_names,
        "temperature": network.temperature,
        "grey": network.grey,
        "sets": network.sets,
    }
    return hashlib.sha256(to_json(facts)).hexdigest()[:16]
