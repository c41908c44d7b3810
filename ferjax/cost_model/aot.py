"""Compiles a training step for devices that need not be here: its memory, operations and exchanges."""

import dataclasses
import math
import statistics
import time
from collections import Counter
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh
from ml_collections import ConfigDict

from ferjax.cluster.mesh import global_batch
from ferjax.cost_model.collectives import Collective, collectives
from ferjax.cost_model.operations import program_operations
from ferjax.cost_model.roofline import TPUS, Chip, Estimate, estimate, measured_chip
from ferjax.cost_model.schedule import Schedule, schedule
from ferjax.cost_model.step_for_devices import (
    HERE,
    assembled,
    batch_shapes,
    compiled_step,
    devices_of,
    lowered_step,
    stand_in,
)
from ferjax.cost_model.traffic import Access, accesses, names_memories
from ferjax.cost_model.until_scheduled import until_scheduled
from ferjax.training.setup import Parts

_WARM_UP, _TIMED = 2, 5
_TOLD = 50  # instructions in a file


@dataclasses.dataclass(frozen=True)
class Analysis:
    """The numbers of a compiled step, each for one device.

    Attributes:
        topology: the name that was asked for.
        chip: the device's speeds.
        mesh: devices along each axis.
        batch_size: images of a step, of all devices together.
        parameters: numbers of the network, on all devices together.
        arguments: bytes of state and batch.
        temporary: bytes of intermediate results.
        code: bytes of the program.
        flops: operations.
        traffic: bytes read from and written to main memory; where the program does not say what lies in
            another memory, as the compiler counts them.
        accesses: the instructions that move them; empty where the compiler counted.
        exchanges: collectives, and how often each is run.
        estimate: seconds of a step at best.
        schedule: the time by the program's schedule; None where it does not say what lies in which memory.
        measured: seconds of a step, the median, where the devices are here; None elsewhere.
    """

    topology: str
    chip: Chip
    mesh: dict[str, int]
    batch_size: int
    parameters: int
    arguments: int
    temporary: int
    code: int
    flops: float
    traffic: float
    accesses: tuple[Access, ...]
    exchanges: Counter[Collective]
    estimate: Estimate
    schedule: Schedule | None = None
    measured: float | None = None

    @property
    def devices(self) -> int:
        """The number of devices of the mesh."""
        return self.mesh["data"] * self.mesh["fsdp"]

    @property
    def memory(self) -> int:
        """The bytes that one device must have; the state is updated in place."""
        return self.arguments + self.temporary + self.code

    @property
    def step(self) -> float:
        """Seconds of a step by its schedule; without one, if no exchange overlaps with work."""
        return self.schedule.seconds if self.schedule else self.estimate.exposed

    def json(self) -> dict[str, Any]:
        """Returns everything, ready for JSON."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        rows = [
            {**dataclasses.asdict(exchange), "times": times, "sent": exchange.sent}
            for exchange, times in sorted(self.exchanges.items(), key=lambda item: -item[0].size)
        ]
        return {
            **fields,
            "accesses": [dataclasses.asdict(access) for access in self.accesses[:_TOLD]],
            "chip": dataclasses.asdict(self.chip),
            "estimate": dataclasses.asdict(self.estimate),
            "schedule": self.schedule and self.schedule.json(),
            "step": self.step,
            "devices": self.devices,
            "memory": self.memory,
            "exchanges": rows,
        }


def _compile(config: ConfigDict, topology: str, num_classes: int, compiler_options: dict[str, Any]) -> None:
    """Compiles for a topology in a process that does nothing else."""
    jax.config.update("jax_platforms", "cpu")
    parts, mesh = assembled(config, devices_of(topology), num_classes)
    lowered_step(config, parts, mesh).compile(compiler_options)


class _Program(NamedTuple):
    """A compiled or scheduled program, and its numbers as in `Analysis`."""

    text: str
    arguments: int
    temporary: int
    code: int
    flops: float
    accessed: float


def _compiled(config: ConfigDict, parts: Parts, mesh: Mesh) -> _Program:
    compiled = compiled_step(config, parts, mesh)
    memory, cost = compiled.memory_analysis(), compiled.cost_analysis()
    return _Program(
        compiled.as_text(),
        memory.argument_size_in_bytes,
        memory.temp_size_in_bytes,
        memory.generated_code_size_in_bytes,
        float(cost.get("flops", 0)),
        float(cost.get("bytes accessed", 0)),
    )


def _scheduled(config: ConfigDict, topology: str, num_classes: int, parts: Parts, mesh: Mesh) -> _Program:
    text, memory = until_scheduled(_compile, config, topology, num_classes)
    arguments = sum(
        math.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize
        for leaf in jax.tree.leaves((parts.like, batch_shapes(config, mesh)))
    )
    return _Program(text, arguments, max(memory - arguments, 0), 0, program_operations(text), 0.0)


def analyse(
    config: ConfigDict, topology: str, num_classes: int, stop_when_scheduled: bool = False
) -> Analysis:
    """Compiles the step of a config for a topology, and runs it where the devices are here.

    Args:
        config: see `ferjax.config.defaults`.
        topology: see `devices_of`.
        num_classes: K.
        stop_when_scheduled: makes no machine code: its size is not known, and operations are those of the
            matrix unit only. For TPUs.

    Raises:
        UserError: there is no such topology, or the mesh or the batch does not fit it.
    """
    devices = devices_of(topology)
    parts, mesh = assembled(config, devices, num_classes)
    program = (
        _scheduled(config, topology, num_classes, parts, mesh)
        if stop_when_scheduled
        else _compiled(config, parts, mesh)
    )
    here = topology == HERE
    shape = () if here else tuple(map(int, topology.partition(":")[2].split("x")))
    chip = measured_chip(config.train.precision) if here else TPUS[topology.partition(":")[0]]
    text = program.text
    moved = tuple(accesses(text)) if names_memories(text) else ()
    traffic = float(sum(access.total for access in moved)) if moved else program.accessed
    exchanges = collectives(text, mesh.size)
    shared = mesh.size if devices[0].platform == "cpu" else 1  # the cores work for all devices
    return Analysis(
        topology=topology,
        chip=chip,
        mesh=dict(mesh.shape),
        batch_size=config.train.batch_size,
        parameters=sum(leaf.size for leaf in jax.tree.leaves(parts.like.params)),
        arguments=program.arguments,
        temporary=program.temporary,
        code=program.code,
        flops=program.flops,
        traffic=traffic,
        accesses=moved,
        exchanges=exchanges,
        estimate=estimate(chip, program.flops * shared, traffic * shared, exchanges, shape),
        schedule=schedule(text, chip, shape) if moved else None,
        measured=_measure(config, parts, mesh, num_classes) if here else None,
    )


def _measure(config: ConfigDict, parts: Parts, mesh: Mesh, num_classes: int) -> float:
    """Measures the seconds of a step, the median of a few."""
    rows = stand_in(config, num_classes, config.train.batch_size).take(np.arange(config.train.batch_size))
    if config.loss.scn:
        rows["index"] = np.arange(config.train.batch_size, dtype=np.int32) % num_classes
    state = parts.init(np.uint32(config.train.seed))
    batch = {**global_batch(rows, mesh), **parts.shared}
    seconds = []
    for _ in range(_WARM_UP + _TIMED):
        start = time.perf_counter()
        state, _ = parts.train_steps[-1](state, batch)
        jax.block_until_ready(state)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[_WARM_UP:])
