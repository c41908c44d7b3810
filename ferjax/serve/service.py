"""Answers for pictures: decodes and searches them in a few threads, and lets the network's thread compute."""

import asyncio
import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from ferjax.data.images import BadImage
from ferjax.deploy import faces, output_rows
from ferjax.deploy.face import Face
from ferjax.deploy.faces import Detector
from ferjax.deploy.output_rows import Doubt, Row
from ferjax.deploy.predict import cut_faces, face_rows
from ferjax.inference import pictures
from ferjax.inference.classifier import Classifier
from ferjax.serve.batcher import Batcher
from ferjax.serve.metrics import Metrics

BATCH = 32  # faces of a full batch: more at once are hardly faster, and those who came first would wait
_STUCK_SECONDS = 60.0
# Fields of a row that are of its picture, not of the face.
_OF_THE_PICTURE = ("source", "status", "reason")


class Settings(NamedTuple):
    """How pictures are searched and answers shaped, for all requests alike.

    Attributes:
        detector: finds at most `most_faces + 1` faces.
        most_faces: of a picture; the largest are answered for.
        pixels: width times height of the largest picture.
        unsure_below: a face whose most likely class has less is unsure; 0: nothing is said.
        batch_seconds: that a face waits for others to be computed with.
        threads: that read pictures.
    """

    detector: Detector
    most_faces: int
    pixels: int
    unsure_below: float
    batch_seconds: float
    threads: int


class _Read(NamedTuple):
    """A picture that was read: its faces, and uint8 `[n, S, S, 3]` for the network."""

    faces: Sequence[Face | None]
    images: np.ndarray
    size: tuple[int, int]
    more: bool


class Service:
    """A network that answers many clients at once.

    Args:
        classifier: the network; only the service's own thread asks it.
        settings: see `Settings`.
        metrics: is told what is done.
    """

    def __init__(self, classifier: Classifier, settings: Settings, metrics: Metrics) -> None:
        # Large batches are computed in parts, by programs that are compiled before anybody asks.
        sizes = tuple(sorted({min(size, BATCH) for size in classifier.batches}))
        self.classifier = dataclasses.replace(classifier, batches=sizes)
        self._settings, self._metrics = settings, metrics
        self._doubt = Doubt(
            settings.unsure_below, classifier.set_of, classifier.sets.coverage if classifier.sets else 0.0
        )
        self._readers = ThreadPoolExecutor(settings.threads, thread_name_prefix="pictures")
        self._network = Batcher(self.classifier.answers, BATCH, settings.batch_seconds, self._count)
        self._warm = False

    def warm_up(self) -> None:
        """Compiles every program that an answer may need, so that no client waits for it."""
        side = self.classifier.image_size
        searched = self._readers.submit(faces.warm_up)
        for size in self.classifier.batches:
            self._network.submit(np.zeros((size, side, side, 3), np.uint8)).result()
        searched.result()
        self._warm = True

    def _count(self, faces: int, seconds: float) -> None:
        if self._warm:  # what is compiled before anybody asks is no request's
            self._metrics.batch(faces, seconds)

    def describe(self) -> dict[str, Any]:
        """Returns what `ferjax.serve.schema.Network` says of the network itself."""
        return {
            "classes": list(self.classifier.label_names),
            "unsure_below": self._doubt.below or None,
            "set_coverage": self._doubt.coverage or None,
            "tells_unlike": self.classifier.distances is not None,
            "valence_and_arousal": self.classifier.has_affect,
        }

    def stop_taking(self) -> None:
        """Is no longer ready, though it answers for what it has taken."""
        self._warm = False

    @property
    def ready(self) -> bool:
        """Whether it takes requests."""
        return self._warm and self.healthy

    @property
    def healthy(self) -> bool:
        """Whether the network's thread lives and gets on."""
        return not self._network.is_stuck(_STUCK_SECONDS)

    def close(self) -> None:
        """Ends the threads once they have answered all."""
        self._readers.shutdown(cancel_futures=True)
        self._network.close()

    async def answer(self, contents: Sequence[bytes], cropped: bool, top_k: int) -> list[dict[str, object]]:
        """Answers for pictures, each on its own: one that cannot be read leaves the others alone.

        Args:
            contents: the bytes of the pictures' files.
            cropped: each picture is one face already.
            top_k: how many classes are named for a face; 0: all.

        Returns:
            For each picture what `ferjax.serve.schema.Picture` describes.
        """
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._picture(content, cropped, top_k)) for content in contents]
        return [task.result() for task in tasks]

    async def _picture(self, content: bytes, cropped: bool, top_k: int) -> dict[str, object]:
        try:
            read = await asyncio.get_running_loop().run_in_executor(
                self._readers, self._read, content, cropped
            )
        except BadImage as error:
            self._metrics.picture(output_rows.FAILED, 0)
            return {"status": output_rows.FAILED, "reason": str(error), "faces": []}
        answers: list[dict[str, object]] = []
        if read.faces:
            said = await asyncio.wrap_future(self._network.submit(read.images))
            numbers = range(1, len(read.faces) + 1)
            answers = [self._face(row, top_k) for row in face_rows("", numbers, read.faces, said)]
        status = output_rows.OK if answers else output_rows.NO_FACE
        self._metrics.picture(status, len(answers))
        width, height = read.size
        return {"status": status, "width": width, "height": height, "faces": answers, "more_faces": read.more}

    def _face(self, row: Row, top_k: int) -> dict[str, object]:
        fields = output_rows.fields_of(row, self.classifier.label_names, top_k, self._doubt)
        return {name: value for name, value in fields.items() if name not in _OF_THE_PICTURE}

    def _read(self, content: bytes, cropped: bool) -> _Read:
        """Decodes a picture and cuts out its faces, in a thread of the readers."""
        image = pictures.decode(content, self._settings.pixels)
        detector = None if cropped else self._settings.detector
        found, images = cut_faces(image, self.classifier, detector)
        most = self._settings.most_faces
        height, width, _ = image.shape
        return _Read(found[:most], images[:most], (width, height), len(found) > most)
