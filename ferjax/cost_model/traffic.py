"""Counts the bytes that each instruction of a compiled program moves through the device's main memory.

What stays in a TPU's on-chip memory costs the main memory nothing, however often it is read, and an array of
few channels takes whole tiles there. The compiler's sum, `cost_analysis()["bytes accessed"]`, knows neither.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence

from ferjax.cost_model.collectives import KINDS, part_of_exchange
from ferjax.cost_model.hlo_text import Array, Instruction, computations, entry, instruction

_MAIN = 0
# They give a name to what is there already.
_FREE = {
    "parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all", "partition-id",
    "replica-id", "optimization-barrier", "opt-barrier", "domain",
}  # fmt: skip
_SLICES = {"slice", "dynamic-slice", "gather"}
_OPERATION = re.compile(r'op_name="([^"]*)"')
_INDEX = re.compile(r"index=(\d+)")
_PARAMETER = re.compile(r" parameter\((\d+)\)")


@dataclasses.dataclass(frozen=True)
class Access:
    """What an instruction moves in one run of the program.

    Attributes:
        name: of the instruction.
        kind: its opcode, such as `fusion`.
        operation: where in the Python program it comes from, as JAX names it; empty if the compiler added it.
        times: how often it runs.
        read: bytes read from main memory, all times together.
        written: bytes written there.
    """

    name: str
    kind: str
    operation: str
    times: int
    read: int
    written: int

    @property
    def total(self) -> int:
        """Bytes read and written."""
        return self.read + self.written


def names_memories(text: str) -> bool:
    """Tells whether a program says in which memory its arrays lie, as those for TPUs do."""
    return re.search(r"\{[\d,]*:[^{}]*S\(1\)", text) is not None


def accesses(text: str) -> list[Access]:
    """Lists all instructions that move bytes, those that move most first.

    A loop counts as often as it runs, where the compiler knows that; of a conditional every branch counts.
    An operand of which a fusion only takes slices counts as these; what it updates in place, as the update.

    Args:
        text: `compiled.as_text()`.
    """
    bodies = {
        name: [one for one in map(instruction, lines) if one] for name, lines in computations(text).items()
    }
    found: list[Access] = []

    def visit(name: str, times: int) -> None:
        made: dict[str, tuple[Array, ...]] = {}
        for one in bodies.get(name, ()):
            made[one.name] = _made(one, made)
            if one.kind in _FREE or one.kind.endswith("-done"):
                continue
            if one.kind in ("while", "conditional", "call"):
                for other in one.called:
                    visit(other, times * one.trips)
                continue
            read, written = _moved(one, made, bodies)
            if read + written:
                operation = _OPERATION.search(one.line)
                found.append(
                    Access(
                        one.name, one.kind, operation[1] if operation else "", times, times * read,
                        times * written,
                    )
                )  # fmt: skip

    visit(entry(text), 1)
    return sorted(found, key=lambda access: -access.total)


def _made(one: Instruction, made: Mapping[str, tuple[Array, ...]]) -> tuple[Array, ...]:
    """The arrays of an instruction; a name for an operand's are that operand's own."""
    if one.kind == "get-tuple-element":
        arrays, index = made.get(one.operands[0], ()), _INDEX.search(one.line)
        if index and int(index[1]) < len(arrays):
            return (arrays[int(index[1])],)
    return one.arrays


def _moved(
    one: Instruction, made: Mapping[str, tuple[Array, ...]], bodies: Mapping[str, Sequence[Instruction]]
) -> tuple[int, int]:
    """Bytes read and written by one run of an instruction."""
    operands = [made.get(name, ()) for name in one.operands]
    if one.kind == "copy-start":  # it makes the copy, a second name for the operand, and a context
        return _main(operands[0]), _main(one.arrays[:1])
    if one.kind == "slice-start":  # the operands again, the slice, and a context
        piece = one.arrays[len(operands)]
        return (piece.padded if _main(operands[0]) else 0), _main((piece,))
    if one.kind in _SLICES:
        return (sum(array.padded for array in one.arrays) if _main(operands[0]) else 0), _main(one.arrays)
    if one.kind == "dynamic-update-slice":
        update = operands[1][0]
        return _main(operands[1]), update.padded if _main(one.arrays) else 0
    if one.kind == "fusion":
        body, part = bodies.get(one.called[0], ()), part_of_exchange(one, bodies)
        if part == "end":
            return 0, 0
        if part == "start":  # what is exchanged; the others are places to work in, and flags
            inner = next(each for each in body if each.kind in KINDS)
            return sum(map(_main, operands)), _main(inner.arrays)
        return _moved_by_fusion(one, operands, body, beside=part == "beside")
    if one.kind.endswith("-start"):  # an exchange: what it makes may list the operands again
        largest = max((array.padded for array in one.arrays if array.memory == _MAIN), default=0)
        return sum(map(_main, operands)), max(largest, sum(map(_main, operands)))
    return sum(map(_main, operands)), _main(one.arrays)


def _moved_by_fusion(
    one: Instruction, operands: Sequence[tuple[Array, ...]], body: Sequence[Instruction], beside: bool
) -> tuple[int, int]:
    """Bytes read and written; `beside` an exchange, what that takes and gives was counted at its start."""
    read, saved = 0, 0
    passed = {each.name for each in body if beside and (each.kind in KINDS or each.kind == "parameter")}
    for inner in body:
        number = _PARAMETER.search(inner.line)
        if inner.kind != "parameter" or not number or int(number[1]) >= len(operands):
            continue
        outer, users = operands[int(number[1])], [user for user in body if inner.name in user.operands]
        if not _main(outer) or (beside and all(user.root or user.kind in KINDS for user in users)):
            continue
        only, whole = users[0] if len(users) == 1 else None, _main(outer)
        if users and all(user.kind in _SLICES and user.operands[0] == inner.name for user in users):
            read += min(whole, sum(array.padded for user in users for array in user.arrays))
        elif only and only.kind == "dynamic-update-slice" and only.operands[0] == inner.name:
            update = next(each for each in body if each.name == only.operands[1])
            saved += whole - min(whole, sum(array.padded for array in update.arrays))
        else:
            read += whole
    root = next((each for each in body if each.root and each.kind == "tuple"), None)
    if passed and root:
        made = zip(root.operands, one.arrays, strict=False)
        return read, max(_main([array for name, array in made if name not in passed]) - saved, 0)
    return read, max(_main(one.arrays) - saved, 0)


def _main(arrays: Sequence[Array]) -> int:
    return sum(array.padded for array in arrays if array.memory == _MAIN)
