"""Reads the collectives of a compiled program: kind, bytes, devices that take part."""

import dataclasses
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from ferjax.cost_model.hlo_text import Instruction, computations, entry, instruction

KINDS = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")
# TPUs split an exchange into fusions: one that starts it, some that do a part of it beside other work, and
# one that waits for its end. All of them hold the exchange with this mark.
_SPLIT = "async_collective_fusion_config"


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
    bodies = {
        name: [one for one in map(instruction, lines) if one] for name, lines in computations(text).items()
    }
    total: Counter[Collective] = Counter()

    def visit(name: str, times: int) -> None:
        for one in bodies.get(name, ()):
            if part_of_exchange(one, bodies) in ("beside", "end"):
                continue  # it was counted where it starts
            exchange = collective(one, name, devices)
            if exchange and exchange.devices > 1:
                total[exchange] += times
            if exchange:
                continue  # the computation that it calls is an addition
            for other in one.called:
                visit(other, times * one.trips)

    visit(entry(text), 1)
    return total


def part_of_exchange(
    one: Instruction, bodies: Mapping[str, Sequence[Instruction]]
) -> Literal["whole", "start", "beside", "end"] | None:
    """Tells which part of an exchange an instruction does; None if it does none.

    `beside` is other work that does a part of an exchange at the same time.

    Args:
        one: the instruction.
        bodies: the instructions of each computation.
    """
    if one.kind.removesuffix("-start") in KINDS:
        return "start" if one.kind.endswith("-start") else "whole"
    if one.kind.removesuffix("-done") in KINDS:
        return "end"
    if one.kind != "fusion":
        return None
    inside = [inner for name in one.called for inner in bodies.get(name, ()) if inner.kind in KINDS]
    if not inside:
        return None
    if not any(_SPLIT in inner.line for inner in inside):
        return "whole"
    if one.name.startswith("async-collective-start"):
        return "start"
    return "end" if one.name.startswith("async-collective-done") else "beside"


def collective(one: Instruction, computation: str, devices: int) -> Collective | None:
    """Returns the exchange that an instruction makes or starts; None if it is something else.

    Args:
        one: the instruction.
        computation: the name of the computation that it stands in.
        devices: the number of devices of the whole program.
    """
    kind = one.kind.removesuffix("-start")
    if kind not in KINDS:
        return None
    sizes = [array.size for array in one.arrays]
    group = _group_size(one.line, devices)
    if one.kind != kind and kind != "all-reduce":
        size = max(sizes)  # the others are the operand and contexts
        if kind == "reduce-scatter":
            size = max(size, min(sizes) * group)
    else:
        size = sum(sizes) * (group if kind == "reduce-scatter" else 1)
    # TPUs reduce and keep a part in one fusion of this name.
    if kind == "all-reduce" and computation.startswith("all-reduce-scatter"):
        kind = "reduce-scatter"
    return Collective(kind, size, group)


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
