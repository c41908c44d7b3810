"""Reads the collectives of a compiled program from its HLO text: kind, bytes, devices that take part."""

import dataclasses
import math
import re
from collections import Counter
from collections.abc import Iterator

KINDS = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")
_BITS = {"pred": 8, "bf16": 16, "f8e4m3fn": 8, "f8e5m2": 8, "c64": 64, "c128": 128}
_ARRAY = re.compile(r"\b(pred|bf16|f8e4m3fn|f8e5m2|[fsuc]\d+)\[([\d,]*)\]")
_COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.\-]+) \(.*\) -> .* \{$")
_COLLECTIVE = re.compile(rf"= (.*?) ({'|'.join(KINDS)})(-start)?\(")
_CALLED = re.compile(
    r"(?:to_apply|body|condition|calls|branch_computations|true_computation|false_computation)="
    r"(?:\{([^}]*)\}|%?([\w.\-]+))"
)
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')


@dataclasses.dataclass(frozen=True)
class Collective:
    """A kind of exchange between devices.

    Attributes:
        kind: one of `KINDS`.
        size: bytes of the whole array on one device: what is reduced, or what has been gathered.
        devices: how many take part in one exchange.
    """

    kind: str
    size: int
    devices: int

    @property
    def sent(self) -> float:
        """The bytes that each device sends, if the exchange is done along a ring."""
        share = (self.devices - 1) / self.devices
        if self.kind == "collective-permute":
            return float(self.size)
        return self.size * share * (2 if self.kind == "all-reduce" else 1)


def collectives(text: str, devices: int) -> Counter[Collective]:
    """Counts how often one run of a program makes each exchange.

    Exchanges between a single device are left out. A loop counts as often as it runs, where the compiler
    knows that; a branch of a conditional counts as if it were taken.

    Args:
        text: `compiled.as_text()`.
        devices: the number of devices of the whole program.
    """
    bodies = dict(_computations(text))
    total: Counter[Collective] = Counter()

    def visit(name: str, times: int) -> None:
        for line in bodies.get(name, ()):
            exchange = _collective(line, name, devices)
            if exchange and exchange.devices > 1:
                total[exchange] += times
            if exchange:
                continue  # the computation that it calls is an addition
            trips = _TRIPS.search(line)
            for several, one in _CALLED.findall(line):
                for other in (several or one).replace("%", "").split(", "):
                    visit(other, times * (int(trips[1]) if trips else 1))

    entry = re.search(r"^ENTRY %?([\w.\-]+) ", text, re.MULTILINE)
    if entry:
        visit(entry[1], 1)
    return total


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


def _collective(line: str, computation: str, devices: int) -> Collective | None:
    match = _COLLECTIVE.search(line)
    if not match:
        return None
    shapes, kind, start = match.groups()
    sizes = [_bytes(*array) for array in _ARRAY.findall(shapes)]
    group = _group_size(line, devices)
    if start and kind != "all-reduce":
        size = max(sizes)  # the others are the operand and contexts
        if kind == "reduce-scatter":
            size = max(size, min(sizes) * group)
    else:
        size = sum(sizes) * (group if kind == "reduce-scatter" else 1)
    # TPUs reduce and keep a part in one fusion of this name.
    if kind == "all-reduce" and computation.startswith("all-reduce-scatter"):
        kind = "reduce-scatter"
    return Collective(kind, size, group)


def _bytes(dtype: str, shape: str) -> int:
    bits = _BITS.get(dtype) or int(re.sub(r"\D", "", dtype))
    return math.prod(map(int, filter(None, shape.split(",")))) * max(bits, 8) // 8


def _group_size(line: str, devices: int) -> int:
    """Reads the size of `replica_groups=[groups,size]<=…`, `={{0,1},{2,3}}`, `=mesh['a'=4] {'a'}`, `={}`."""
    iota = re.search(r"replica_groups=\[(\d+),(\d+)\]", line)
    if iota:
        return int(iota[2])
    listed = re.search(r"replica_groups=\{\{([\d,]*)\}", line)
    if listed:
        return len(listed[1].split(","))
    mesh = re.search(r"replica_groups=@?mesh\[(.*?)\].*?\{(.*?)\}", line)
    if mesh:
        sizes = {name: int(size) for name, size in re.findall(r"'([^']+)'=(\d+)", mesh[1])}
        # A part of an axis is 'name':(before)size.
        axes = re.findall(r"'([^']+)'(?::\(\d+\)(\d+))?", mesh[2])
        return math.prod(int(part) if part else sizes[name] for name, part in axes)
    pairs = re.search(r"source_target_pairs=\{(\{.*?\})\}", line)
    return pairs[1].count("{") if pairs else devices
