"""Follows faces from frame to frame of a video, and smooths their probabilities over time. Pure NumPy."""

from collections.abc import Sequence

import numpy as np

Box = tuple[float, float, float, float]  # left, top, right, bottom, in pixels
_SAME = 0.3  # overlap from which two boxes count as the same face
_MEMORY = 1.0  # seconds that a face may be missing


class Tracks:
    """Numbers faces from 1 on so that a face keeps its number from frame to frame.

    A face takes the number of the earlier face that it overlaps most with.

    Args:
        every: seconds between frames; a face may be missing for at least two frames.
    """

    def __init__(self, every: float = 0.0) -> None:
        self._memory = max(_MEMORY, 2 * every)
        self._last: dict[int, tuple[float, Box]] = {}
        self._count = 0

    def follow(self, time: float, boxes: Sequence[Box]) -> list[int]:
        """Returns the number of each face of a frame; times ascend from call to call."""
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
        for index, box in enumerate(boxes):
            if index not in numbers:
                self._count += 1
                numbers[index] = self._count
            self._last[numbers[index]] = (time, box)
        return [numbers[index] for index in range(len(boxes))]


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
