"""Follows a compiled program's schedule: how long its work takes at best, and its exchanges beyond that.

The program runs its instructions one after the other. An exchange that is split into a start and an end goes
on beside what lies between; the program waits for what is left of it at its end.
"""

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ferjax.cost_model.collectives import KINDS, Collective, collective, part_of_exchange
from ferjax.cost_model.hlo_text import Instruction, computations, entry, instruction
from ferjax.cost_model.operations import operations
from ferjax.cost_model.roofline import Chip, exchange_seconds
from ferjax.cost_model.traffic import accesses

_TOLD = 20  # exchanges in a file


@dataclasses.dataclass(frozen=True)
class Exchange:
    """An exchange of the schedule.

    Attributes:
        name: of the instruction that starts it.
        collective: what is exchanged.
        times: how often.
        seconds: that one takes.
        beside: seconds of the work that lies between its start and its end.
        exposed: seconds that the program waits for it.
    """

    name: str
    collective: Collective
    times: int
    seconds: float
    beside: float
    exposed: float


@dataclasses.dataclass(frozen=True)
class Schedule:
    """The time of a step by its schedule.

    Attributes:
        work: seconds of all instructions but exchanges.
        exchanges: in the order in which they start.
    """

    work: float
    exchanges: tuple[Exchange, ...]

    @property
    def exposed(self) -> float:
        """Seconds for which the program waits for exchanges."""
        return sum(exchange.times * exchange.exposed for exchange in self.exchanges)

    @property
    def seconds(self) -> float:
        """Seconds of a step."""
        return self.work + self.exposed

    def json(self) -> dict[str, Any]:
        """Returns the sums, and the exchanges that take longest, ready for JSON."""
        longest = sorted(self.exchanges, key=lambda exchange: -exchange.times * exchange.seconds)
        return {
            "work": self.work,
            "exposed": self.exposed,
            "exchanges": [dataclasses.asdict(exchange) for exchange in longest[:_TOLD]],
        }


@dataclasses.dataclass
class _Open:
    """An exchange that has started: `left` are the seconds that it still takes."""

    key: str
    name: str
    collective: Collective
    fused: bool
    seconds: float
    left: float
    beside: float = 0.0


def schedule(text: str, chip: Chip, shape: Sequence[int]) -> Schedule:
    """Adds up a scheduled program.

    Each instruction takes as long as the longer of its operations and its bytes through main memory at the
    chip's peaks. Exchanges follow each other on the links, first come, first served. Of one that is split
    into fusions only those that do a part of it count as beside it; of another all that lies between.

    Args:
        text: `compiled.as_text()` of a program for a TPU.
        chip: the device's speeds.
        shape: devices along each axis of the torus.
    """
    devices = math.prod(shape)
    bodies = {
        name: [one for one in map(instruction, lines) if one] for name, lines in computations(text).items()
    }
    moved = {access.name: access.total / access.times for access in accesses(text)}
    ended: list[Exchange] = []
    work = 0.0

    def visit(name: str, times: int) -> None:
        nonlocal work
        waiting: list[_Open] = []

        def wait(count: int) -> None:
            for each in waiting[:count]:
                ended.append(
                    Exchange(each.name, each.collective, times, each.seconds, each.beside, each.left)
                )
            del waiting[:count]

        for one in bodies.get(name, ()):
            part = part_of_exchange(one, bodies)
            if part in ("whole", "start"):
                key, exchange = _exchange(one, name, bodies, devices)
                if exchange.devices > 1:
                    seconds = exchange_seconds(chip, shape, exchange)
                    waiting.append(_Open(key, one.name, exchange, one.kind == "fusion", seconds, seconds))
                if part == "whole":
                    wait(len(waiting))
            elif part == "end":
                key = _channel(one, bodies) or one.operands[0]
                wait(next((place + 1 for place, each in enumerate(waiting) if each.key == key), 0))
            elif one.kind in ("while", "conditional", "call"):
                for other in one.called:
                    visit(other, times * one.trips)
            else:
                seconds = max(
                    operations(one, bodies) / chip.flops, moved.get(one.name, 0.0) / chip.memory_rate
                )
                work += times * seconds
                _go_on([each for each in waiting if part == "beside" or not each.fused], seconds)
        wait(len(waiting))

    visit(entry(text), 1)
    return Schedule(work, tuple(ended))


def _exchange(
    one: Instruction, computation: str, bodies: Mapping[str, Sequence[Instruction]], devices: int
) -> tuple[str, Collective]:
    """Returns what an instruction exchanges, with a key that its end has too."""
    alone = collective(one, computation, devices)
    if alone:
        return one.name, alone
    name = one.called[0]
    inside = (collective(inner, name, devices) for inner in bodies[name])
    return _channel(one, bodies), next(filter(None, inside))


def _channel(one: Instruction, bodies: Mapping[str, Sequence[Instruction]]) -> str:
    """Returns the channel of the exchange in a fusion; empty if there is none."""
    lines = [inner.line for name in one.called for inner in bodies.get(name, ()) if inner.kind in KINDS]
    numbers = (re.search(r"channel_id=\d+", line) for line in lines)
    return next((number[0] for number in numbers if number), "")


def _go_on(waiting: Sequence[_Open], seconds: float) -> None:
    """Lets exchanges go on beside so many seconds of work."""
    free = seconds
    for each in waiting:
        each.beside += seconds
        done = min(each.left, free)
        each.left, free = each.left - done, free - done
