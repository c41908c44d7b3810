"""Counts the operations of each instruction of a TPU's program: those of its convolutions.

A TPU's compiler turns matrix products into convolutions too. What the vector unit does is not counted: a
fusion does it while it waits for the matrix unit or for memory.
"""

import math
import re
from collections.abc import Mapping, Sequence

from ferjax.cost_model.hlo_text import Array, Instruction, computations, entry, instruction

_WINDOW = re.compile(r"window=\{([^}]*)\}")
_LABELS = re.compile(r"dim_labels=(\w+)_(\w+)->(\w+)")


def program_operations(text: str) -> int:
    """Counts the operations of a program that has no loops.

    Args:
        text: `compiled.as_text()`.
    """
    bodies = {
        name: [one for one in map(instruction, lines) if one] for name, lines in computations(text).items()
    }
    return sum(operations(one, bodies) for one in bodies.get(entry(text), ()))


def operations(one: Instruction, bodies: Mapping[str, Sequence[Instruction]]) -> int:
    """Counts the operations of one run of an instruction and of what it calls, loops left out.

    Args:
        one: a fusion, or a convolution of its own.
        bodies: the instructions of each computation.
    """
    total = 0
    for name in one.called:
        made: dict[str, tuple[Array, ...]] = {}
        for inner in bodies.get(name, ()):
            made[inner.name] = inner.arrays
            if inner.kind == "convolution":
                total += _convolution(inner, *(made[operand][0] for operand in inner.operands))
            elif inner.kind == "fusion":
                total += operations(inner, bodies)
    return total


def _convolution(one: Instruction, images: Array, kernel: Array) -> int:
    """Counts products and additions; those with zeros around or between the pixels are not made."""
    labels = _LABELS.search(one.line)
    if not labels:
        return 0
    window, (result,) = _window(one.line), one.arrays
    taps = 1
    for axis in filter(str.isdigit, labels[1]):
        taps *= _taps(
            images.shape[labels[1].index(axis)], result.shape[labels[3].index(axis)], int(axis), window
        )
    outer = math.prod(result.shape[labels[3].index(name)] for name in "bf")
    return 2 * outer * kernel.shape[labels[2].index("i")] * taps


def _window(line: str) -> dict[str, list[str]]:
    """Reads `window={size=3x3 pad=1_1x1_1 lhs_dilate=2x2}`; empty where there is none."""
    found = _WINDOW.search(line)
    return {
        name: values.split("x") for name, _, values in (part.partition("=") for part in found[1].split())
    } if found else {}  # fmt: skip


def _taps(length: int, results: int, axis: int, window: Mapping[str, Sequence[str]]) -> int:
    """Counts the pairs of a place of the result and one of the kernel that meet a pixel, along one axis."""

    def of(name: str) -> int:
        return int(window[name][axis]) if name in window else 1

    before = int(window["pad"][axis].split("_")[0]) if "pad" in window else 0
    apart, step, spread = of("lhs_dilate"), of("stride"), of("rhs_dilate")
    total = 0
    for place in range(results):
        for tap in range(of("size")):
            pixel = place * step + tap * spread - before
            total += pixel % apart == 0 and 0 <= pixel < apart * length
    return total
