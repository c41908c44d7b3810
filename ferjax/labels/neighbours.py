"""Finds the examples that are nearest to others in a space of features."""

from typing import NamedTuple

import numpy as np

_CHUNK = 4096  # candidates that are compared at a time


class Neighbours(NamedTuple):
    """The nearest M of some examples, the nearest first.

    Attributes:
        examples: int64 [Q, M].
        likeness: float32 [Q, M], the cosine of the angle between the features.
    """

    examples: np.ndarray
    likeness: np.ndarray


def nearest(features: np.ndarray, queries: np.ndarray, candidates: np.ndarray, count: int) -> Neighbours:
    """Finds the nearest candidates of each query.

    Args:
        features: [N, F], of unit length.
        queries: int64 [Q], examples.
        candidates: int64 [C], examples; a query among them is no neighbour of its own.
        count: M; all candidates if there are fewer.
    """
    count = min(count, len(candidates))
    asked = features[queries].astype(np.float32)
    best = np.full((len(queries), 0), -np.inf, np.float32)
    found = np.zeros((len(queries), 0), np.int64)
    for start in range(0, len(candidates), _CHUNK):
        chunk = candidates[start : start + _CHUNK]
        likeness = asked @ features[chunk].astype(np.float32).T
        likeness[queries[:, None] == chunk] = -np.inf
        best = np.concatenate([best, likeness], axis=1)
        found = np.concatenate([found, np.broadcast_to(chunk, likeness.shape)], axis=1)
        order = np.argsort(-best, axis=1, kind="stable")[:, :count]
        best, found = np.take_along_axis(best, order, 1), np.take_along_axis(found, order, 1)
    return Neighbours(found, best)
