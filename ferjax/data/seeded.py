"""Random numbers that are the same on every machine and with every NumPy.

NumPy may change what `Generator.normal` and its like draw from one release to the next, but it keeps the raw
bits of a bit generator. `Draws` takes those bits (Philox, keyed by a SHA-256 of names) and turns them into
numbers with integer arithmetic and one rounding.
"""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


class Draws:
    """A stream of draws that depends only on the names it is made from: `Draws("toons", "train", 7)`."""

    def __init__(self, *names: str | int) -> None:
        digest = hashlib.sha256("/".join(map(str, names)).encode()).digest()
        self._bits = np.random.Philox(key=int.from_bytes(digest[:16], "little"))

    def unit(self) -> float:
        """Draws a float in [0, 1)."""
        return (int(self._bits.random_raw()) >> 11) * 2.0**-53

    def between(self, low: float, high: float) -> float:
        """Draws a float in [low, high)."""
        return low + (high - low) * self.unit()

    def chance(self, probability: float) -> bool:
        """Draws True with this probability."""
        return self.unit() < probability

    def below(self, n: int) -> int:
        """Draws an integer in [0, n)."""
        return int(self._bits.random_raw()) % n

    def below_each(self, limits: np.ndarray) -> np.ndarray:
        """Draws an integer in [0, n) for each n of `limits`: int64."""
        return (self._bits.random_raw(len(limits)) % limits.astype(np.uint64)).astype(np.int64)

    def pick(self, options: Sequence[T]) -> T:
        """Draws one of the options, each equally likely."""
        return options[self.below(len(options))]

    def order(self, n: int) -> np.ndarray:
        """Draws a permutation of 0 … n − 1: int64 [n]."""
        return np.argsort(self._bits.random_raw(n), kind="stable")

    def noise(self, shape: tuple[int, ...]) -> np.ndarray:
        """Draws nearly normal noise of mean 0 and deviation 1 (a sum of four bytes): float32 `shape`."""
        words = self._bits.random_raw((int(np.prod(shape)) + 1) // 2).astype("<u8")
        sums = words.view(np.uint8).reshape(-1, 4).sum(axis=1, dtype=np.int32)
        # Four bytes have mean 4 × 127.5 and variance 4 × (256² − 1) / 12 = 147.80².
        centred = (sums[: int(np.prod(shape))] - 510).astype(np.float32)
        return (centred / np.float32(147.80)).reshape(shape)
