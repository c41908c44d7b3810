"""A network of another program as operations with their arrays, whatever file it came from."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

KINDS = ("input", "conv", "depthwise", "batch_norm", "relu", "max_pool", "add", "mean", "softmax", "same")


class Operation(NamedTuple):
    """One operation.

    Attributes:
        kind: one of `KINDS`; `same` gives its input back.
        inputs: the operations whose results it reads.
        arrays: `kernel` and perhaps `bias` of convolutions, `scale`, `bias`, `mean`, `var` of batch norms.
        settings: `stride`, `padding` ("same" or "valid"), `size` of a pool's window, `epsilon`.
    """

    kind: str
    inputs: tuple[str, ...]
    arrays: Mapping[str, np.ndarray] = {}
    settings: Mapping[str, Any] = {}


class Graph(NamedTuple):
    """A network.

    Attributes:
        operations: name → operation.
        output: the name of the last one.
        input_shape: (height, width, channels).
    """

    operations: Mapping[str, Operation]
    output: str
    input_shape: tuple[int, int, int]


class DoesNotFitError(ValueError):
    """A file is whole, and is not of the network that was looked for."""


def image_shape(sides: Sequence[Any]) -> tuple[int, int, int]:
    """Returns (height, width, channels) of what an input operation says without its batch.

    Raises:
        DoesNotFitError: it says something else, or leaves a side open.
    """
    match tuple(sides):
        case int(height), int(width), int(channels) if min(height, width, channels) > 0:
            return height, width, channels
    raise DoesNotFitError(f"it takes arrays {[*sides][:8]}, and not images of a fixed size")
