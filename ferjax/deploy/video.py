"""Reads frames from video files and cameras, and writes videos, with OpenCV."""

import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from ferjax.errors import UserError
from ferjax.inference.pictures import LARGEST
from ferjax.platform import outputs

_USUAL_RATE = 25.0  # frames a second, assumed for a file that does not state it
_FASTEST = 240.0  # a header that states a higher rate is damaged
_WHOLE = 0.9  # share of the stated frames that a whole file must have; some headers count a few too many


class BrokenVideo(ValueError):
    """Raised for a file that is no video or ends early, or a missing camera; its text says which."""


class Frame(NamedTuple):
    """One picture of a video.

    Attributes:
        time: seconds since the beginning.
        image: uint8 `[H, W, 3]`, RGB, upright.
        lasts: seconds until the next picture; 0: unknown.
    """

    time: float
    image: np.ndarray
    lasts: float = 0.0


def file_frames(path: Path, every: float = 0.0) -> Iterator[Frame]:
    """Decodes a video.

    Args:
        path: the file.
        every: seconds between the frames that are yielded; 0: all.

    Raises:
        BrokenVideo: the file cannot be read to its end; the frames before were yielded.
    """
    cv2 = opencv()
    # An absolute path, because OpenCV may read other names as addresses or patterns.
    capture = cv2.VideoCapture(str(path.resolve()), cv2.CAP_FFMPEG)
    try:
        _check_size(cv2, capture)
        spacing, promised = 1 / rate(capture), capture.get(cv2.CAP_PROP_FRAME_COUNT)
        read, due = 0, 0.0
        while capture.grab():
            stated = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            now = stated if read and stated > 0 else read * spacing
            read += 1
            if now + spacing / 2 < due:
                continue
            image = _retrieved(cv2, capture)
            if image is None:
                break
            yield Frame(now, image, max(spacing, every))
            due = now + every if every else 0.0
        if not read:
            raise BrokenVideo("is no video that can be read")
        if read < promised * _WHOLE:
            raise BrokenVideo(f"is damaged: {read:,} of {round(promised):,} frames could be read")
    finally:
        capture.release()


def camera_frames(index: int, seconds: float = 0.0, every: float = 0.0) -> Iterator[Frame]:
    """Yields a camera's frames as they arrive.

    Args:
        index: the camera's number, from 0 on.
        seconds: how long to watch; 0: without end.
        every: seconds between frames; 0: all that arrive.

    Raises:
        BrokenVideo: there is no such camera, or it stopped.
    """
    cv2 = opencv()
    capture = cv2.VideoCapture(index)
    try:
        if not capture.isOpened():
            raise BrokenVideo(f"there is no camera {index}, or another program uses it")
        start, due = time.monotonic(), 0.0
        while not seconds or time.monotonic() - start < seconds:
            if not capture.grab():
                raise BrokenVideo("the camera stopped")
            now = time.monotonic() - start
            if now < due:
                continue
            image = _retrieved(cv2, capture)
            if image is not None:
                yield Frame(now, image)
                due = now + every
    finally:
        capture.release()


def file_rate(path: Path) -> float:
    """Reads the frames a second of a video file."""
    cv2 = opencv()
    capture = cv2.VideoCapture(str(path.resolve()), cv2.CAP_FFMPEG)
    try:
        return rate(capture)
    finally:
        capture.release()


class Writer:
    """Writes frames of one size to an .mp4 file (MPEG-4 part 2, no sound), which appears when it is whole.

    Args:
        path: the file; its folder exists.
        frames_a_second: of the video.

    Raises:
        UserError: OpenCV cannot write it, when the first frame comes.
    """

    def __init__(self, path: Path, frames_a_second: float) -> None:
        self.path, self._rate, self._cv2 = path, frames_a_second, opencv()
        self._out: Any = None
        # OpenCV chooses the format by the suffix.
        self._unfinished = path.with_name(f".{uuid.uuid4().hex}{path.suffix}")

    def write(self, image: np.ndarray) -> None:
        """Appends uint8 `[H, W, 3]`, RGB."""
        height, width = image.shape[:2]
        if self._out is None:
            code = self._cv2.VideoWriter_fourcc(*"mp4v")
            self._out = self._cv2.VideoWriter(str(self._unfinished), code, self._rate, (width, height))
            if not self._out.isOpened():
                self._unfinished.unlink(missing_ok=True)
                raise UserError(f"cannot write {self.path}; name another folder with --annotate")
        self._out.write(np.ascontiguousarray(image[:, :, ::-1]))

    def close(self) -> None:
        """Finishes the file."""
        if self._out is not None:
            self._out.release()
            self._out = None
            if self._unfinished.exists():  # not if it could not be opened
                outputs.move("predict", self._unfinished, self.path)


def opencv() -> ModuleType:
    """Imports cv2 with its own messages switched off.

    Raises:
        UserError: OpenCV is not installed.
    """
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    try:
        import cv2
    except ImportError as error:
        raise UserError("videos and cameras need OpenCV: pip install 'ferjax[video]'") from error
    return cv2


def rate(capture: Any) -> float:
    """Returns the frames a second of an opened video, or the usual rate if it states none."""
    stated = capture.get(opencv().CAP_PROP_FPS)
    return stated if 0 < stated <= _FASTEST else _USUAL_RATE


def _check_size(cv2: ModuleType, capture: Any) -> None:
    if not capture.isOpened():
        raise BrokenVideo("is no video that can be read")
    width, height = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
    if width * height > LARGEST:
        raise BrokenVideo(f"has frames of {width:,.0f}×{height:,.0f} pixels; make it smaller first")


def _retrieved(cv2: ModuleType, capture: Any) -> np.ndarray | None:
    decoded, image = capture.retrieve()
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB) if decoded else None
