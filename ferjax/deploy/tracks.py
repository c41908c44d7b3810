"""Follows faces from frame to frame of a video, and smooths their probabilities over time."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from ferjax.deploy.face import Face, crop

Box = tuple[float, float, float, float]  # left, top, right, bottom, in pixels
_SAME = 0.3  # overlap from which two boxes count as the same face
_MEMORY = 1.0  # seconds that a face may be missing and still be known by its place
# A face that comes back elsewhere or later is known by its look: a few colours of the head, its hair and
# collar. They tell the people of one scene apart while light and clothes stay; they are no recognition of
# faces, and rather give a known person a new number than two people one.
_ROOM, _COLOURS, _ALIKE = 0.5, 8, 0.8
_OPEN = 1.0  # seconds in which a new face may still turn out to be an earlier one
_KEPT = 0.9  # weight of a face's look so far when a new frame is added


class Tracks:
    """Numbers faces from 1 on so that a face keeps its number from frame to frame.

    A face takes the number of the earlier face that it overlaps most with; if there is none, of the one that
    left and looked most like it.

    Args:
        every: seconds between frames; a face may be missing for at least two frames.
    """

    def __init__(self, every: float = 0.0) -> None:
        self._memory = max(_MEMORY, 2 * every)
        self._last: dict[int, tuple[float, Box]] = {}
        self._looks: dict[int, np.ndarray] = {}
        self._since: dict[int, float] = {}
        self._count = 0

    def follow(self, time: float, boxes: Sequence[Box], looks: Sequence[np.ndarray]) -> list[int]:
        """Returns the number of each face of a frame.

        Args:
            time: seconds; ascends from call to call.
            boxes: of the faces.
            looks: of the faces, see `look`.
        """
        self._last = {
            number: (last, box) for number, (last, box) in self._last.items() if time - last <= self._memory
        }
        pairs = sorted(
            ((overlap(box, old), index, number) for index, box in enumerate(boxes)
             for number, (_, old) in self._last.items()),
            key=lambda pair: (-pair[0], pair[1:]),
        )  # fmt: skip
        numbers: dict[int, int] = {}
        for shared, index, number in pairs:
            if shared >= _SAME and index not in numbers and number not in numbers.values():
                numbers[index] = number
        self._recognise(time, numbers, looks)
        for index, (box, seen) in enumerate(zip(boxes, looks, strict=True)):
            if index not in numbers:
                self._count += 1
                numbers[index] = self._count
            number = numbers[index]
            self._last[number] = (time, box)
            self._since.setdefault(number, time)
            mean = _KEPT * self._looks.get(number, seen) + (1 - _KEPT) * seen
            self._looks[number] = mean / max(float(np.linalg.norm(mean)), 1e-9)
        return [numbers[index] for index in range(len(boxes))]

    def _recognise(self, time: float, numbers: dict[int, int], looks: Sequence[np.ndarray]) -> None:
        """Gives faces that come back their earlier numbers, those most alike first.

        Who comes in from the side is half a face at first. So a number stays open for a while: until then the
        face may still be known as an earlier one, and takes that number from there on.
        """
        opened = [i for i in range(len(looks)) if i not in numbers or time - self._since[numbers[i]] < _OPEN]
        gone = [number for number in self._looks if number not in numbers.values()]
        pairs = sorted(
            ((float(looks[index] @ self._looks[number]), index, number) for index in opened for number in gone
             if index not in numbers or number < numbers[index]),
            key=lambda pair: (-pair[0], pair[1:]),
        )  # fmt: skip
        known: set[int] = set()
        for alike, index, number in pairs:
            if alike >= _ALIKE and index not in known and number not in numbers.values():
                if index in numbers:
                    for kept in (self._last, self._looks, self._since):
                        del kept[numbers[index]]
                numbers[index] = number
                known.add(index)


def look(image: np.ndarray, face: Face) -> np.ndarray:
    """Describes what the head of a face looks like.

    Args:
        image: uint8 `[H, W, 3]`.
        face: a face of that picture.

    Returns:
        float32 `[192]` of length 1: colours, 8 × 8, less their mean; the product of two is their likeness, −1
        to 1.
    """
    size = (_COLOURS, _COLOURS)
    small = Image.fromarray(crop(image, face, _ROOM)).resize(size, Image.Resampling.BOX)
    values = np.asarray(small, np.float32).ravel()
    values = values - values.mean()
    return values / max(float(np.linalg.norm(values)), 1e-9)


def overlap(first: Box, second: Box) -> float:
    """Computes the intersection over union of two boxes: 0 to 1."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    shared = max(width, 0) * max(height, 0)
    areas = sum((right - left) * (bottom - top) for left, top, right, bottom in (first, second))
    return shared / (areas - shared) if shared else 0.0


class Smoother:
    """Averages a face's probabilities over the past with exponentially falling weights.

    At time t, a face with probabilities p_i at times t_i gets Σ w_i·p_i / Σ w_i, w_i = exp((t_i − t) /
    seconds); frames need not be evenly spaced.

    Args:
        seconds: the age at which a frame weighs 1/e; 0 switches smoothing off.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._sums: dict[int, tuple[float, float, np.ndarray]] = {}

    def smooth(self, number: int, time: float, probabilities: np.ndarray) -> np.ndarray:
        """Adds a frame's probabilities and returns the weighted mean of the face so far.

        Args:
            number: the face's number.
            time: seconds; ascends from call to call.
            probabilities: float `[K]`, from this frame.

        Returns:
            float32 `[K]`.
        """
        if not self._seconds:
            return probabilities
        weight, total = 1.0, np.asarray(probabilities, np.float64)
        if number in self._sums:
            before, old_weight, old_total = self._sums[number]
            kept = np.exp((before - time) / self._seconds)
            weight, total = weight + kept * old_weight, total + kept * old_total
        self._sums[number] = (time, weight, total)
        return (total / weight).astype(np.float32)
