"""Computes the faces of several requests together, in one thread that alone asks the network."""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import NamedTuple

import numpy as np

from ferjax.inference.classifier import Answers


class _Job(NamedTuple):
    images: np.ndarray
    future: "Future[Answers]"
    arrived: float


class Batcher:
    """Gathers faces for a few milliseconds, or until a batch is full, while the network computes others.

    Args:
        answer: of uint8 `[B, S, S, 3]`; see `ferjax.inference.classifier.Classifier.answers`.
        most: faces from which a batch is full.
        seconds: that the first face of a batch waits for others, at most.
        observe: is told the faces and the seconds of each batch.
    """

    def __init__(
        self,
        answer: Callable[[np.ndarray], Answers],
        most: int,
        seconds: float,
        observe: Callable[[int, float], None] = lambda faces, seconds: None,
    ) -> None:
        self._answer, self._most, self._seconds, self._observe = answer, most, seconds, observe
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._began: float | None = None
        self._thread = threading.Thread(target=self._run, name="network", daemon=True)
        self._thread.start()

    def submit(self, images: np.ndarray) -> "Future[Answers]":
        """Asks for the answers of a picture's faces; any thread may. A cancelled future is not computed.

        Args:
            images: uint8 `[n, S, S, 3]`.
        """
        future: Future[Answers] = Future()
        self._jobs.put(_Job(images, future, time.monotonic()))
        return future

    def close(self) -> None:
        """Ends the thread once it has answered all."""
        self._jobs.put(None)
        self._thread.join()

    def is_stuck(self, longest: float) -> bool:
        """Tells whether the thread has ended, or has been at one batch for longer than so many seconds."""
        began = self._began
        return not self._thread.is_alive() or (began is not None and time.monotonic() - began > longest)

    def _run(self) -> None:
        last = False
        while not last:
            batch, last = self._gather()
            # Who has given up waiting has cancelled its future.
            batch = [job for job in batch if job.future.set_running_or_notify_cancel()]
            if batch:
                self._compute(batch)

    def _gather(self) -> tuple[list[_Job], bool]:
        """Waits for a batch; also returns whether the thread shall end after it."""
        batch: list[_Job] = []
        faces = 0
        while faces < self._most:
            try:
                job = self._jobs.get(timeout=self._left(batch))
            except queue.Empty:
                break
            if job is None:
                return batch, True
            batch.append(job)
            faces += len(job.images)
        return batch, False

    def _left(self, batch: list[_Job]) -> float | None:
        """Returns how long a batch waits for more; what came while the last one was computed has waited."""
        return max(0.0, batch[0].arrived + self._seconds - time.monotonic()) if batch else None

    def _compute(self, batch: list[_Job]) -> None:
        self._began = time.monotonic()
        try:
            images = np.concatenate([job.images for job in batch])
            answers = self._answer(images)
        except Exception as error:  # the requests of this batch fail, and the thread lives on
            for job in batch:
                job.future.set_exception(error)
            return
        finally:
            began, self._began = self._began, None
        self._observe(len(images), time.monotonic() - began)
        start = 0
        for job in batch:
            end = start + len(job.images)
            job.future.set_result(answers.rows(start, end))
            start = end
