"""Which face of a video is which, and what is said about each, smoothed over time. Pure NumPy."""

from collections.abc import Sequence

import numpy as np

Box = tuple[float, float, float, float]  # left, top, right, bottom, in pixels
_SAME = 0.3  # overlap from which on two boxes are of the same face
_MEMORY = 1.0  # seconds that a face may be away


class Tracks:
    """Gives faces numbers, from 1 on, that stay the same from frame to frame.

    A face goes on as the one of the frames before that it overlaps most with.

    Args:
        every: seconds between frames, if they are further apart than usual.
    """

    def __init__(self, every: float = 0.0) -> None:
        self._memory = max(_MEMORY, 2 * every)
        self._last: dict[int, tuple[float, Box]] = {}
        self._count = 0

    def follow(self, time: float, boxes: Sequence[Box]) -> list[int]:
        """The number of each face of a frame; times ascend from call to call."""
        self._last = {
            number: (seen, box) for number, (seen, box) in self._last.items() if time - seen <= self._memory
        }
        pairs = sorted(
            ((overlap(box, old), index, number) for index, box in enumerate(boxes)
             for number, (_, old) in self._last.items()),
            key=lambda pair: (-pair[0], pair[1:]),
        )  # fmt: skip
        found: dict[int, int] = {}
        for shared, index, number in pairs:
            if shared >= _SAME and index not in found and number not in found.values():
                found[index] = number
        for index, box in enumerate(boxes):
            if index not in found:
                self._count += 1
                found[index] = self._count
            self._last[found[index]] = (time, box)
        return [found[index] for index in range(len(boxes))]


def overlap(first: Box, second: Box) -> float:
    """The shared part of two boxes, of all that either covers: 0 to 1."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    shared = max(width, 0) * max(height, 0)
    areas = sum((right - left) * (bottom - top) for left, top, right, bottom in (first, second))
    return shared / (areas - shared) if shared else 0.0


class Smoother:
    """Means over the past, in which what is `seconds` old counts 1/e as much as what is new.

    Of a face with probabilities p_i at times t_i it gives Σ w_i·p_i / Σ w_i, w_i = exp((t_i − t) / seconds),
    whatever the distances of the frames.

    Args:
        seconds: 0 changes nothing.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._sums: dict[int, tuple[float, float, np.ndarray]] = {}

    def smooth(self, number: int, time: float, probabilities: np.ndarray) -> np.ndarray:
        """The mean of a face up to now.

        Args:
            number: which face.
            time: seconds; ascends from call to call.
            probabilities: float `[K]`, of this frame.

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
