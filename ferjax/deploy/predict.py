"""From pictures and videos to rows: read ahead, find faces, classify many at once, follow them in time."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from ferjax.data.images import BadImage
from ferjax.deploy import output_rows, video
from ferjax.deploy.faces import Detector, Face, crop
from ferjax.deploy.output_rows import Row
from ferjax.deploy.tracks import Smoother, Tracks
from ferjax.inference import pictures
from ferjax.inference.classifier import Classifier
from ferjax.inference.inputs import Input

_THREADS = 2
_AHEAD = 8  # pictures that are read while earlier ones are classified
_HELD = 2 * pictures.LARGEST  # pixels of pictures that wait to be drawn on
_LONGEST = 256  # pictures or frames that wait for faces, where there are few


class Options(NamedTuple):
    """How inputs are looked at.

    Attributes:
        detector: finds faces; None: every picture is a face as a whole.
        keep: whether outcomes hold their pictures.
        smooth: seconds, see `ferjax.deploy.tracks.Smoother`.
        every: seconds between frames of videos; 0: all.
        seconds: of a camera; 0: until the command is interrupted.
    """

    detector: Detector | None
    keep: bool = False
    smooth: float = 0.0
    every: float = 0.0
    seconds: float = 0.0


class Outcome(NamedTuple):
    """A picture, a frame or a failure.

    Attributes:
        input: what it is of.
        rows: at least one.
        image: uint8 `[H, W, 3]`; None if it is not kept or could not be read.
    """

    input: Input
    rows: list[Row]
    image: np.ndarray | None


class _Scene(NamedTuple):
    """A picture or frame whose faces are cut out: `images` is uint8 `[n, S, S, 3]`."""

    input: Input
    time: float | None
    image: np.ndarray | None
    faces: Sequence[Face | None]
    images: np.ndarray
    status: str = output_rows.OK
    reason: str = ""


def predict(inputs: Iterable[Input], classifier: Classifier, options: Options) -> Iterator[Outcome]:
    """Looks at every input, in order; what cannot be read becomes a row, and the others go on.

    Args:
        inputs: see `ferjax.inference.inputs.expand`.
        classifier: the network.
        options: how.

    Raises:
        UserError: a package that videos need is not installed.
    """
    scenes = _ahead(lambda job: _look(job, classifier, options), _jobs(inputs, options))
    follower = _Follower(options)
    for batch in _batches(scenes, classifier.batches[-1]):
        said = classifier.probabilities(np.concatenate([scene.images for scene in batch]))
        start = 0
        for scene in batch:
            own = said[start : start + len(scene.faces)]
            start += len(own)
            yield Outcome(scene.input, follower.rows(scene, own), scene.image)


class _Job(NamedTuple):
    """What a thread looks at: a picture that is still to be read, a frame, or what cannot be read."""

    input: Input
    frame: video.Frame | None = None
    reason: str = ""


def _jobs(inputs: Iterable[Input], options: Options) -> Iterator[_Job]:
    for found in inputs:
        try:
            if found.kind == "video":
                frames = video.file_frames(found.path, options.every)
            elif found.kind == "camera":
                frames = video.camera_frames(found.index, options.seconds, options.every)
            else:
                yield _Job(found)
                continue
            for frame in frames:
                yield _Job(found, frame)
        except video.BrokenVideo as error:
            yield _Job(found._replace(kind="failed", reason=str(error)))


def _look(job: _Job, classifier: Classifier, options: Options) -> _Scene:
    found, none = job.input, classifier.preprocess([])
    if found.kind in ("failed", "skipped"):
        return _Scene(found, None, None, (), none, found.kind, found.reason)
    try:
        image = job.frame.image if job.frame else pictures.read(found.path)
    except BadImage as error:
        return _Scene(found, None, None, (), none, output_rows.FAILED, str(error))
    time = job.frame.time if job.frame else None
    faces: Sequence[Face | None] = [None] if options.detector is None else options.detector.find(image)
    crops = [image if face is None else crop(image, face) for face in faces]
    kept = image if options.keep else None
    status = output_rows.OK if faces else output_rows.NO_FACE
    return _Scene(found, time, kept, faces, classifier.preprocess(crops), status)


def _ahead(look: Callable[[_Job], _Scene], jobs: Iterable[_Job]) -> Iterator[_Scene]:
    """`map`, in order, some jobs ahead in threads: reading pictures leaves Python's lock alone."""
    waiting: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(_THREADS) as pool:
        try:
            for job in jobs:
                waiting.append(pool.submit(look, job))
                while waiting and (len(waiting) > _AHEAD or waiting[0].done()):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _batches(scenes: Iterable[_Scene], faces: int) -> Iterator[list[_Scene]]:
    """Scenes together until they hold so many faces; a camera's at once."""
    batch: list[_Scene] = []
    for scene in scenes:
        batch.append(scene)
        held = sum(other.image.size // 3 for other in batch if other.image is not None)
        found = sum(len(other.faces) for other in batch)
        if found >= faces or held > _HELD or len(batch) >= _LONGEST or scene.input.kind == "camera":
            yield batch
            batch = []
    if batch:
        yield batch


class _Follower:
    """Turns scenes into rows; remembers the faces of the video that is being looked at."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._of: Input | None = None

    def rows(self, scene: _Scene, said: np.ndarray) -> list[Row]:
        """Of a scene, and float32 `[n, K]` for its n faces; of a picture the largest face first."""
        name = scene.input.name
        if not scene.faces:
            return [Row(name, scene.status, scene.reason, scene.time)]
        numbers = list(range(1, len(scene.faces) + 1))
        if scene.time is not None:
            if scene.input is not self._of:
                self._of = scene.input
                self._tracks = Tracks(self._options.every)
                self._smoother = Smoother(self._options.smooth)
            if self._options.detector is not None:
                numbers = self._tracks.follow(scene.time, [face.box for face in scene.faces])
            said = [
                self._smoother.smooth(number, scene.time, row)
                for number, row in zip(numbers, said, strict=True)
            ]
        return [
            Row(
                name,
                output_rows.OK,
                time=scene.time,
                face=number,
                box=face.box if face else None,
                score=face.score if face else None,
                probabilities=row,
            )
            for number, face, row in zip(numbers, scene.faces, said, strict=True)
        ]
