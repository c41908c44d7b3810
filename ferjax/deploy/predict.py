"""Predicts pictures and videos: reads ahead, finds faces, classifies many at once, follows them in time."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from ferjax.data.images import BadImage
from ferjax.deploy import output_rows, video
from ferjax.deploy.face import Face, crop
from ferjax.deploy.faces import Detector
from ferjax.deploy.output_rows import Row
from ferjax.deploy.tracks import Smoother, Tracks, look
from ferjax.inference import pictures
from ferjax.inference.classifier import Answers, Classifier
from ferjax.inference.inputs import Input

_THREADS = 2
_AHEAD = 8  # pictures that are read while earlier ones are classified
_MOST_PIXELS = 2 * pictures.LARGEST  # of the pictures in a batch that are kept for drawing
_MOST_SCENES = 256  # pictures or frames in a batch, if they show few faces


class Options(NamedTuple):
    """Settings of a prediction.

    Attributes:
        detector: finds faces; None: every whole picture is a face.
        tiles: how many tiles a large picture or frame is searched in at most, see `ferjax.deploy.search`;
            None: as many as the detector says for pictures, none for the frames of videos.
        keep: outcomes hold their pictures, to be drawn on.
        smooth: seconds, see `ferjax.deploy.tracks.Smoother`.
        every: seconds between frames of videos; 0: all.
        seconds: how long a camera is watched; 0: until the command is interrupted.
    """

    detector: Detector | None
    tiles: int | None = None
    keep: bool = False
    smooth: float = 0.0
    every: float = 0.0
    seconds: float = 0.0


class Outcome(NamedTuple):
    """The rows of a picture, a frame or a failure.

    Attributes:
        input: the picture or video.
        rows: at least one.
        image: uint8 `[H, W, 3]`; None if not kept or not readable.
    """

    input: Input
    rows: list[Row]
    image: np.ndarray | None


class _Scene(NamedTuple):
    """A picture or frame with its faces cut out: `images` is uint8 `[n, S, S, 3]`.

    `looks` are those of the faces of a frame, see `ferjax.deploy.tracks.look`.
    """

    input: Input
    time: float | None
    image: np.ndarray | None
    faces: Sequence[Face | None]
    images: np.ndarray
    status: str = output_rows.OK
    reason: str = ""
    lasts: float = 0.0
    looks: Sequence[np.ndarray] = ()


def predict(inputs: Iterable[Input], classifier: Classifier, options: Options) -> Iterator[Outcome]:
    """Predicts every input, in order; an input that cannot be read gets a row that says why.

    Args:
        inputs: see `ferjax.inference.inputs.expand`.
        classifier: the network.
        options: the settings.

    Raises:
        UserError: a package that videos need is not installed.
    """
    scenes = _read_ahead(lambda job: _scene(job, classifier, options), _jobs(inputs, options))
    follower = _Follower(options)
    for batch in _batches(scenes, classifier.batches[-1]):
        images = np.concatenate([scene.images for scene in batch])
        answers = classifier.answers(images)
        start = 0
        for scene in batch:
            end = start + len(scene.faces)
            yield Outcome(scene.input, follower.rows(scene, answers.rows(start, end)), scene.image)
            start = end


class _Job(NamedTuple):
    """Work for a thread: a picture to read, a frame, or a failure to pass on."""

    input: Input
    frame: video.Frame | None = None
    reason: str = ""


def _jobs(inputs: Iterable[Input], options: Options) -> Iterator[_Job]:
    for item in inputs:
        try:
            if item.kind == "video":
                frames = video.file_frames(item.path, options.every)
            elif item.kind == "camera":
                frames = video.camera_frames(item.camera, options.seconds, options.every)
            else:
                yield _Job(item)
                continue
            for frame in frames:
                yield _Job(item, frame)
        except video.BrokenVideo as error:
            yield _Job(item._replace(kind="failed", reason=str(error)))


def _scene(job: _Job, classifier: Classifier, options: Options) -> _Scene:
    """Reads a picture and cuts out its faces."""
    item, no_faces = job.input, classifier.preprocess([])
    if item.kind in ("failed", "skipped"):
        return _Scene(item, None, None, (), no_faces, item.kind, item.reason)
    try:
        image = job.frame.image if job.frame else _picture(item)
    except BadImage as error:
        return _Scene(item, None, None, (), no_faces, output_rows.FAILED, str(error))
    time = job.frame.time if job.frame else None
    tiles = 0 if job.frame and options.tiles is None else options.tiles
    faces, images = cut_faces(image, classifier, options.detector, tiles)
    kept = image if options.keep else None
    status = output_rows.OK if faces else output_rows.NO_FACE
    lasts = job.frame.lasts if job.frame else 0.0
    looks = [look(image, face) for face in faces if face and job.frame]
    return _Scene(item, time, kept, faces, images, status, lasts=lasts, looks=looks)


def cut_faces(
    image: np.ndarray, classifier: Classifier, detector: Detector | None, tiles: int | None = None
) -> tuple[Sequence[Face | None], np.ndarray]:
    """Finds the faces of a picture and prepares them for the network.

    Args:
        image: uint8 `[H, W, 3]`.
        classifier: the network.
        detector: finds the faces; None: the whole picture is one.
        tiles: see `Options`.

    Returns:
        n faces, the largest first, None for a whole picture; and uint8 `[n, S, S, 3]`.
    """
    faces: Sequence[Face | None] = [None] if detector is None else detector.find(image, tiles)
    crops = [image if face is None else crop(image, face, classifier.margin) for face in faces]
    return faces, classifier.preprocess(crops)


def face_rows(name: str, numbers: Sequence[int], faces: Sequence[Face | None], answers: Answers) -> list[Row]:
    """Makes the rows of a picture's n faces.

    Args:
        name: of the picture.
        numbers: of the faces, from 1 on.
        faces: where they are; None: the whole picture is the face.
        answers: what the network says of them.
    """
    unknown = [None] * len(faces)
    affect = unknown if answers.affect is None else list(answers.affect)
    unlike = unknown if answers.unlike is None else answers.unlike.tolist()
    return [
        Row(
            name,
            output_rows.OK,
            face=number,
            box=face.box if face else None,
            score=face.score if face else None,
            probabilities=probabilities,
            affect=values,
            unlike=far,
        )
        for number, face, probabilities, values, far in zip(
            numbers, faces, answers.probabilities, affect, unlike, strict=True
        )
    ]


def _picture(item: Input) -> np.ndarray:
    return pictures.read(item.path) if item.encoded is None else pictures.decode(item.encoded)


def _read_ahead(read: Callable[[_Job], _Scene], jobs: Iterable[_Job]) -> Iterator[_Scene]:
    """Maps jobs in order, some ahead in threads: decoding pictures releases Python's global lock."""
    waiting: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(_THREADS) as pool:
        try:
            for job in jobs:
                waiting.append(pool.submit(read, job))
                while waiting and (len(waiting) > _AHEAD or waiting[0].done()):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _batches(scenes: Iterable[_Scene], faces: int) -> Iterator[list[_Scene]]:
    """Collects scenes until they hold so many faces; passes those of a camera on at once."""
    batch: list[_Scene] = []
    for scene in scenes:
        batch.append(scene)
        pixels = sum(other.image.size // 3 for other in batch if other.image is not None)
        full = sum(len(other.faces) for other in batch) >= faces or len(batch) >= _MOST_SCENES
        if full or pixels > _MOST_PIXELS or scene.input.kind == "camera":
            yield batch
            batch = []
    if batch:
        yield batch


class _Follower:
    """Turns scenes into rows; remembers the faces of the current video."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._video: Input | None = None

    def rows(self, scene: _Scene, answers: Answers) -> list[Row]:
        """Makes the rows of a scene from the answers for its faces."""
        name = scene.input.name
        if not scene.faces:
            return [Row(name, scene.status, scene.reason, scene.time, lasts=scene.lasts)]
        numbers = list(range(1, len(scene.faces) + 1))
        if scene.time is not None:
            if scene.input is not self._video:
                self._video = scene.input
                self._tracks = Tracks(self._options.every)
                self._smoother = Smoother(self._options.smooth)
            if self._options.detector is not None:
                numbers = self._tracks.follow(
                    scene.time, [face.box for face in scene.faces if face], scene.looks
                )
            answers = self._smoothed(numbers, scene.time, answers)
        rows = face_rows(name, numbers, scene.faces, answers)
        return [row._replace(time=scene.time, lasts=scene.lasts) for row in rows]

    def _smoothed(self, numbers: Sequence[int], time: float, answers: Answers) -> Answers:
        probabilities, affect, unlike = answers
        said = probabilities if affect is None else np.concatenate([probabilities, affect], axis=1)
        smoothed = np.stack(list(map(self._smoother.smooth, numbers, [time] * len(numbers), said)))
        classes = probabilities.shape[1]
        return Answers(smoothed[:, :classes], None if affect is None else smoothed[:, classes:], unlike)
