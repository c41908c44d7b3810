"""Reads the text of a compiled program: its computations, their instructions, and the arrays of these."""

import dataclasses
import math
import re
from collections.abc import Iterator

_BITS = {"pred": 8, "bf16": 16, "f8e4m3fn": 8, "f8e5m2": 8, "c64": 64, "c128": 128}
_ARRAY = re.compile(r"\b(pred|bf16|f8e4m3fn|f8e5m2|[fsuc]\d+)\[([\d,]*)\](?:\{([^{}]*)\})?")
_COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.\-]+) \(.*\) -> .* \{$")
_INSTRUCTION = re.compile(r"^\s*(ROOT )?%?([\w.\-]+) = (.*?) ([\w\-]+)\((.*?)\)(?:,|$)")
_CALLED = re.compile(
    r"(?:to_apply|body|condition|calls|branch_computations|true_computation|false_computation)="
    r"(?:\{([^}]*)\}|%?([\w.\-]+))"
)
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')
_TILE = re.compile(r"T\(([\d,]+)\)")
_MEMORY = re.compile(r"S\((\d+)\)")


@dataclasses.dataclass(frozen=True)
class Array:
    """An array as an instruction makes it.

    Attributes:
        shape: length of each dimension.
        size: bytes of its numbers.
        padded: bytes that it takes: a TPU fills the two inner dimensions up to whole tiles.
        memory: 0 for the device's main memory; a TPU's on-chip memory is 1.
    """

    shape: tuple[int, ...]
    size: int
    padded: int
    memory: int


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One line of a computation.

    Attributes:
        name: unique in the program.
        kind: such as `fusion`, the opcode.
        arrays: what it makes; several for a tuple.
        operands: names of the instructions that it reads.
        called: names of the computations that it runs.
        trips: how often a loop runs them, 1 where the compiler does not know; 1 for all others.
        root: it is the computation's result.
        line: all of its text.
    """

    name: str
    kind: str
    arrays: tuple[Array, ...]
    operands: tuple[str, ...]
    called: tuple[str, ...]
    trips: int
    root: bool
    line: str


def arrays(text: str) -> tuple[Array, ...]:
    """Reads all arrays of a shape such as `(f32[2,3]{1,0:T(8,128)S(1)}, u32[])`."""
    return tuple(_array(*match) for match in _ARRAY.findall(text))


def _array(dtype: str, shape: str, layout: str) -> Array:
    width = max(_BITS.get(dtype) or int(re.sub(r"\D", "", dtype)), 8) // 8
    dimensions = [int(length) for length in shape.split(",") if length]
    whole = tuple(dimensions)
    order, _, rest = layout.partition(":")
    tile, memory = _TILE.search(rest), _MEMORY.search(rest)
    if tile and order:
        # Listed from the innermost dimension; a tile lists its outermost one first.
        inner = [int(number) for number in order.split(",")]
        for dimension, length in zip(inner, reversed(tile[1].split(",")), strict=False):
            dimensions[dimension] = -(-dimensions[dimension] // int(length)) * int(length)
    return Array(
        whole, math.prod(whole) * width, math.prod(dimensions) * width, int(memory[1]) if memory else 0
    )


def instruction(line: str) -> Instruction | None:
    """Reads a line of a computation; None if it is no instruction."""
    match = _INSTRUCTION.match(line)
    if not match:
        return None
    root, name, shape, kind, operands = match.groups()
    trips = _TRIPS.search(line)
    called = [
        other
        for several, one in _CALLED.findall(line)
        for other in (several or one).replace("%", "").split(", ")
    ]
    return Instruction(
        name,
        kind,
        arrays(shape),
        tuple(re.findall(r"%([\w.\-]+)", operands)),
        tuple(called),
        int(trips[1]) if trips else 1,
        bool(root),
        line,
    )


def computations(text: str) -> dict[str, list[str]]:
    """Returns the lines of each computation, by its name.

    Args:
        text: `compiled.as_text()`.
    """
    return dict(_computations(text))


def _computations(text: str) -> Iterator[tuple[str, list[str]]]:
    name, lines = "", []
    for line in text.splitlines():
        start = _COMPUTATION.match(line)
        if start:
            name, lines = start[1], []
        elif line.startswith("}"):
            yield name, lines
        else:
            lines.append(line)


def entry(text: str) -> str:
    """Returns the name of the computation that a program begins with; empty if there is none."""
    match = re.search(r"^ENTRY %?([\w.\-]+) ", text, re.MULTILINE)
    return match[1] if match else ""
