"""Estimates the least time of a step: operations, memory traffic and exchanges at a chip's best speeds."""

import dataclasses
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from ferjax.cost_model.collectives import Collective


@dataclasses.dataclass(frozen=True)
class Chip:
    """The best speeds of one device.

    Attributes:
        name: the name in reports.
        flops: operations a second in the matrix unit, bfloat16 inputs on TPUs.
        memory_rate: bytes a second of its main memory.
        memory: bytes of its main memory, 0 if not known.
        link_rate: bytes a second that it sends to both neighbours along an axis of the torus.
        wraps: length from which an axis is a ring; a shorter one is a line, and has half the rate.
        hop: seconds from one device to the next.
    """

    name: str
    flops: float
    memory_rate: float
    memory: float
    link_rate: float
    wraps: int = 0
    hop: float = 1e-6


# Peak in bfloat16, size and rate of the HBM: Cloud TPU's pages on v4, v5e, v5p and v6e; some editions round
# v5e's 819 and v6e's 1,640 GB/s to 800 and 1,600. Links: both directions of one axis of the torus, 45 or 90
# GB/s one way. The first edition of How to scale your model (Austin et al., 2025) and Cloud TPU's pages on
# v5e and v6e have 50 and 100 for all but v4: an estimate that exchanges bind may be a tenth too long.
# The same book: an axis of v5e and v6e is a ring from 16 chips on, one of v4 and v5p from 4 on.
TPUS = {
    "v4": Chip("TPU v4", 275e12, 1.2e12, 32e9, 90e9, wraps=4),
    "v5e": Chip("TPU v5e", 197e12, 0.819e12, 16e9, 90e9, wraps=16),
    "v5p": Chip("TPU v5p", 459e12, 2.765e12, 95e9, 180e9, wraps=4),
    "v6e": Chip("TPU v6e", 918e12, 1.64e12, 32e9, 180e9, wraps=16),
}


@dataclasses.dataclass(frozen=True)
class Estimate:
    """The seconds of a step.

    Attributes:
        compute: operations at full speed.
        memory: bytes read and written at full speed.
        exchange: collectives one after the other along rings, and their hops.
    """

    compute: float
    memory: float
    exchange: float

    @property
    def hidden(self) -> float:
        """The seconds if all three run at the same time; no step is faster."""
        return max(self.compute, self.memory, self.exchange)

    @property
    def exposed(self) -> float:
        """The seconds if exchanges do not overlap with the rest."""
        return max(self.compute, self.memory) + self.exchange


def exchange_seconds(chip: Chip, shape: Sequence[int], exchange: Collective) -> float:
    """Estimates the time of an exchange: the bytes that a device sends, and the hops across the torus.

    An exchange between all devices uses all axes of the torus at once, one between a part of them one axis.

    Args:
        chip: the device's speeds.
        shape: devices along each axis of the torus.
        exchange: what is exchanged.
    """
    axes = [length for length in shape if length > 1] or [exchange.devices]
    if exchange.devices < math.prod(axes):
        axes = [exchange.devices]
    rate = sum(chip.link_rate if length >= chip.wraps else chip.link_rate / 2 for length in axes)
    # From one corner of a torus to the other.
    hops = sum(length / 2 if length >= chip.wraps else length - 1 for length in axes)
    return exchange.sent / rate + hops * chip.hop


def estimate(
    chip: Chip, flops: float, traffic: float, exchanges: Counter[Collective], shape: Sequence[int] = ()
) -> Estimate:
    """Estimates the time of one device's share of a step.

    Args:
        chip: the device's speeds.
        flops: operations, as the compiler counts them.
        traffic: bytes read and written.
        exchanges: see `ferjax.cost_model.collectives.collectives`.
        shape: devices along each axis of the torus; one ring of those that exchange if empty.
    """
    seconds = sum(exchange_seconds(chip, shape, each) * times for each, times in exchanges.items())
    return Estimate(flops / chip.flops, traffic / chip.memory_rate, seconds)


def measured_chip(precision: str) -> Chip:
    """Measures this machine's device: a large matrix product and a large copy, the best of several runs.

    All devices of a CPU share its cores, so these are the speeds of all of them together.
    """
    device = jax.local_devices()[0]
    size = 2048 if device.platform == "cpu" else 8192
    x = jnp.ones((size, size), jnp.dtype(precision))
    product, copy = jax.jit(jnp.matmul), jax.jit(jnp.negative)

    def seconds(call: Callable, *arguments: jax.Array) -> float:
        times = []
        for _ in range(6):
            start = time.perf_counter()
            jax.block_until_ready(call(*arguments))
            times.append(time.perf_counter() - start)
        return min(times[1:])

    wide = jnp.ones((16 * size, size), jnp.float32)
    flops = 2 * size**3 / seconds(product, x, x)
    rate = 2 * wide.nbytes / seconds(copy, wide)
    limit = (device.memory_stats() or {}).get("bytes_limit", 0)
    return Chip(f"{device.device_kind} (speeds measured)", flops, rate, limit, rate)
