"""Finds near duplicates, pictures that are the same to the eye, by a perceptual hash."""

import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

# Two pictures are near duplicates if their hashes differ in at most this many of 64 bits …
DISTANCE = 8
# … and what is their own in their thumbnails correlates at least so. Of 8,750 distinct toons no two come
# above 0.963; a picture keeps 0.98 when it is compressed, resized or made noisy, but not when it is moved.
CORRELATION = 0.975
# Of a thumbnail's contrast (1), what counts as common to all: pictures that hardly differ from the set's
# mean are alike by this.
_COMMON = 0.02
# A set that holds more pairs is reported to hold at least this many.
MOST_PAIRS = 2_000_000
_CHUNK = 50_000


class Pairs(NamedTuple):
    """Pairs of pictures.

    Attributes:
        first, second: int64 [P], indices with first < second, no pair twice.
        correlation: float32 [P], of the thumbnails.
        complete: False if there are more pairs than were collected.
    """

    first: np.ndarray
    second: np.ndarray
    correlation: np.ndarray
    complete: bool


def near_pairs(thumbnails: np.ndarray, most: int = MOST_PAIRS) -> Pairs:
    """Finds all pairs of near duplicates.

    Two hashes that differ in at most d bits are equal in one of d + 1 bands of bits. So for each band only
    pictures that agree in it are compared, instead of each with each.

    Args:
        thumbnails: uint8 [N, S, S].
        most: pairs of near hashes to collect before giving up on the rest.
    """
    own = own_part(thumbnails)
    hashes = perceptual_hashes(own)
    close_pairs: list[np.ndarray] = []
    total = 0
    for band in _bands(DISTANCE + 1):
        for close in _close_in(hashes, band):
            close_pairs.append(close)
            total += len(close)
            if total > most:
                break
        if total > most:
            break
    pairs = np.unique(np.concatenate(close_pairs), axis=0) if close_pairs else np.empty((0, 2), np.int64)
    correlation = _correlations(own, pairs)
    alike = correlation >= CORRELATION
    return Pairs(pairs[alike, 0], pairs[alike, 1], correlation[alike], total <= most)


def own_part(thumbnails: np.ndarray) -> np.ndarray:
    """Removes brightness, contrast and the set's mean from each picture: float32 [N, S · S].

    Faces that are aligned and lit alike have most of their pixels in common. Without the mean two of them
    are as far apart as any two pictures, and the bits of their hashes are even.
    """
    flat = thumbnails.reshape(len(thumbnails), np.prod(thumbnails.shape[1:])).astype(np.float32)
    flat -= flat.mean(1, keepdims=True)
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    return flat - flat.mean(0) if len(flat) else flat


def perceptual_hashes(own: np.ndarray) -> np.ndarray:
    """Hashes pictures, uint64 [N]: which of the 8 × 8 lowest cosine frequencies are above the median."""
    side = math.isqrt(own.shape[1])
    positions = np.arange(side)
    basis = np.cos(np.pi * (positions + 0.5) * positions[:8, None] / side).astype(np.float32)
    spectrum = (basis @ own.reshape(-1, side, side) @ basis.T).reshape(-1, 64)
    bits = spectrum > np.median(spectrum, axis=0) if len(spectrum) else spectrum > 0
    return np.packbits(bits, axis=1).view(np.uint64).ravel()


def _bands(count: int) -> list[np.uint64]:
    """Returns masks that divide the 64 bits, each taking every `count`-th: no band is all low frequencies."""
    return [np.uint64(sum(1 << bit for bit in range(first, 64, count))) for first in range(count)]


def _close_in(hashes: np.ndarray, band: np.uint64) -> Iterator[np.ndarray]:
    """Yields pairs [n, 2] equal in a band and near in all: neighbours in sorted order, 1, 2, … apart."""
    keys = hashes & band
    order = np.argsort(keys, kind="stable")
    keys, hashes = keys[order], hashes[order]
    left = np.arange(len(keys))
    for apart in itertools.count(1):
        left = left[left + apart < len(keys)]
        # Sorted: where two keys differ, all that lie further apart differ too.
        left = left[keys[left] == keys[left + apart]]
        if not len(left):
            return
        close = left[np.bitwise_count(hashes[left] ^ hashes[left + apart]) <= DISTANCE]
        if len(close):
            yield np.sort(np.stack([order[close], order[close + apart]], axis=1), axis=1)


def _correlations(own: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Correlates the pictures of each pair, as `own_part` gives them: float32 [P]."""
    scale = np.sqrt((own**2).sum(1) + _COMMON)
    correlation = np.empty(len(pairs), np.float32)
    for start in range(0, len(pairs), _CHUNK):
        first, second = pairs[start : start + _CHUNK].T
        products = np.einsum("ni,ni->n", own[first], own[second]) + _COMMON
        correlation[start : start + _CHUNK] = products / (scale[first] * scale[second])
    return correlation
