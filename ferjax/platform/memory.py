"""Reads how much memory this machine has, or its container or job lets this process have."""

import os
import resource
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_GROUPS = Path("/proc/self/cgroup")
_MEMINFO = Path("/proc/meminfo")


def machine_memory(swap: bool = False) -> int:
    """Returns the bytes that this process can have at most: the machine's, or a limit below that.

    Limits are those of its control groups (containers, batch systems, systemd) and of `ulimit -v`.

    Args:
        swap: counts what the machine can move to the disk, too: more than this is impossible.
    """
    extra = _swap() if swap else 0
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [physical, *cgroup_limits(_OWN_GROUPS, _CGROUPS)]
    address_space = resource.getrlimit(resource.RLIMIT_AS)[0]
    limits = [limit + extra for limit in limits]
    return min([*limits, *([address_space] if address_space != resource.RLIM_INFINITY else [])])


def cgroup_limits(own: Path, root: Path) -> list[int]:
    """Returns the memory limits, in bytes, of the control groups that a process is in, and of their parents.

    Args:
        own: the process's list of its groups, `/proc/self/cgroup`: lines `number:controllers:path`.
        root: where the groups are mounted. Inside a container its own group is the root.
    """
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return []  # no Linux
    limits = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:  # version 2
            trees, name = {root, root / "unified"}, "memory.max"
        elif "memory" in controllers.split(","):
            trees, name = {root / "memory", root / controllers}, "memory.limit_in_bytes"
        else:
            continue
        group = Path(path.lstrip("/"))
        for tree in trees:
            limits += [_number(tree / each / name) for each in (group, *group.parents)]
    return [limit for limit in limits if limit is not None]


def _number(file: Path) -> int | None:
    """Reads a limit; None where there is none (`max`) or no such file."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None


def _swap() -> int:
    """Returns the bytes of the machine's swap space."""
    try:
        lines = _MEMINFO.read_text().splitlines()
    except OSError:  # macOS makes swap files as it needs them
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("SwapTotal:"))
