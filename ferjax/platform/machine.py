"""Describes the machine, its devices and their memory, and sets where compiled programs are kept."""

import os
import platform
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import jax

from ferjax.platform.memory import machine_memory

if TYPE_CHECKING:
    from jaxlib._jax import Device  # type checkers take jax.Device for a variable


_CPUINFO = Path("/proc/cpuinfo")
# Seconds from which a compiled program is kept on disk.
_WORTH_KEEPING = 0.02


def keep_compiled() -> None:
    """Keeps compiled programs in ~/.cache/ferjax/compiled, unless JAX_COMPILATION_CACHE_DIR is set.

    By itself JAX keeps what took a second to compile. The programs of `predict` take less each, and two
    seconds together. JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS sets another bound.
    """
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        jax.config.update("jax_compilation_cache_dir", str(Path.home() / ".cache/ferjax/compiled"))
    if not os.environ.get("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"):
        jax.config.update("jax_persistent_cache_min_compile_time_secs", _WORTH_KEEPING)


def describe_devices() -> dict[str, str | int]:
    """Returns `platform`, `kind`, `count` (of all processes) and `processes`."""
    first = jax.devices()[0]
    return {
        "platform": first.platform,
        "kind": first.device_kind,
        "count": jax.device_count(),
        "processes": jax.process_count(),
    }


def describe_machine() -> dict[str, str | int]:
    """Returns what of a machine may change a number in its last bits, beside its devices.

    `system` and `architecture` as Python names them, the `processor`, and the `cores` that this process may
    use.
    """
    affinity = getattr(os, "sched_getaffinity", None)  # only Linux has it
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "processor": processor_name(),
        "cores": len(affinity(0)) if affinity else os.cpu_count() or 1,
    }


def processor_name() -> str:
    """Returns the processor's name as its maker gives it, where the system tells; else its architecture."""
    if _CPUINFO.exists():
        for line in _CPUINFO.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def peak_memory() -> int:
    """Returns the most bytes that the first device has held; on a CPU, the most memory of the process."""
    stats = jax.local_devices()[0].memory_stats() or {}
    if "peak_bytes_in_use" in stats:
        return stats["peak_bytes_in_use"]
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def device_memory(device: "Device") -> int | None:
    """Returns the bytes that a device has; None where its allocator does not say.

    CPU devices share the machine's memory and swap space: each of them has all.
    """
    if device.platform == "cpu":
        return machine_memory(swap=True)
    return (device.memory_stats() or {}).get("bytes_limit")
