"""The memory of a machine, its control groups and limits of a process."""

import os
import resource

import pytest

from ferjax.platform import memory

PHYSICAL = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def groups(folder, own, **limits):
    """Writes a list of groups and limits, by path below the mount."""
    (folder / "own").write_text(own)
    for path, limit in limits.items():
        file = folder / "mount" / path.replace("__", "/").replace("-", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{limit}\n")
    return folder / "own", folder / "mount"


@pytest.mark.parametrize(
    ("own", "limits", "expected"),
    [
        ("0::/jobs/a\n", {"jobs__a__memory-max": 5, "jobs__memory-max": 3, "memory-max": "max"}, [3, 5]),
        ("0::/of/the/host\n", {"memory-max": 7}, [7]),
        (
            "4:memory:/a\n2:cpu:/a\n0::/\n",
            {"memory__a__memory-limit_in_bytes": 9, "cpu__a__memory-max": 1},
            [9],
        ),
        ("5:cpu,memory:/\n", {"memory__memory-limit_in_bytes": 11}, [11]),
        ("0::/a\n", {}, []),
    ],
)
def test_limits_of_control_groups(tmp_path, own, limits, expected):
    assert sorted(memory.cgroup_limits(*groups(tmp_path, own, **limits))) == expected


def test_no_control_groups(tmp_path):
    assert memory.cgroup_limits(tmp_path / "none", tmp_path) == []


def test_the_lowest_limit_counts(tmp_path, monkeypatch):
    assert 2**28 < memory.machine_memory() <= PHYSICAL
    assert memory.machine_memory(swap=True) >= memory.machine_memory()
    own, mount = groups(tmp_path, "0::/a\n", **{"a__memory-max": 2**30})
    monkeypatch.setattr(memory, "_OWN_GROUPS", own)
    monkeypatch.setattr(memory, "_CGROUPS", mount)
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nSwapTotal:     2048 kB\n")
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    assert memory.machine_memory() == min(2**30, PHYSICAL)
    assert memory.machine_memory(swap=True) == min(2**30, PHYSICAL) + 2**21
    monkeypatch.setattr(resource, "getrlimit", lambda which: (2**20, 2**20))
    assert memory.machine_memory() == 2**20


def test_swap_of_other_systems(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "none")
    monkeypatch.setattr(memory, "_OWN_GROUPS", tmp_path / "none")
    monkeypatch.setattr(resource, "getrlimit", lambda which: (resource.RLIM_INFINITY,) * 2)
    assert memory.machine_memory(swap=True) == 2 * PHYSICAL
