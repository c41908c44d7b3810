"""The table of translated operations: JAX's primitives by name."""

from collections.abc import Callable, Sequence
from typing import Any

from ferjax.deploy.to_onnx.graph import Graph, Value

# Gets the graph, the equation and its inputs; returns its outputs' values.
Lowering = Callable[[Graph, Any, Sequence[Value]], Value | Sequence[Value]]

LOWERINGS: dict[str, Lowering] = {}


def lowers(*primitives: str) -> Callable[[Lowering], Lowering]:
    """Registers a translation of some primitives."""

    def register(lowering: Lowering) -> Lowering:
        LOWERINGS.update(dict.fromkeys(primitives, lowering))
        return lowering

    return register
