"""Tells whether a process that wrote down who it is still lives.

A process is known by its machine, its number and the time it was started: numbers are given again, after a
start of the machine even the same ones to the same programs, and each container counts its own.
"""

import contextlib
import os
import socket
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_PROCESSES = Path("/proc")


def this_process() -> dict[str, Any]:
    """Returns `machine`, `pid` and `started` of this process, for JSON and for `lives`."""
    return {"machine": _machine(), "pid": os.getpid(), "started": _started(os.getpid())}


def lives(process: Mapping[str, Any]) -> bool | None:
    """Tells whether a process lives; None where that cannot be known from here.

    Args:
        process: what `this_process` returned in it, maybe with other keys; or anything, as files are damaged.

    Returns:
        None for a process of another machine or container, and where the system tells no times of start.
    """
    pid, started = process.get("pid"), process.get("started")
    if process.get("machine") != _machine() or type(pid) is not int or not started:
        return None
    return _started(pid) == started


def _machine() -> str:
    """Names what process numbers belong to: the host, its start, and its namespace of processes."""
    parts = [socket.gethostname()]
    try:
        parts.append((_PROCESSES / "sys/kernel/random/boot_id").read_text().strip())
    except OSError:  # no Linux: hosts of one name differ in their network card
        parts.append(f"{uuid.getnode():x}")
    with contextlib.suppress(OSError):
        parts.append(os.readlink(_PROCESSES / "self/ns/pid"))
    return " ".join(parts)


def _started(pid: int) -> str | None:
    """Returns when a process of this machine was started; None if it has ended, or no time is told."""
    if not (_PROCESSES / "self").exists():
        return _started_by_ps(pid)
    try:
        fields = (_PROCESSES / f"{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def _started_by_ps(pid: int) -> str | None:
    environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}
    command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
    try:
        said = subprocess.run(command, env=environment, capture_output=True, text=True).stdout
    except OSError:
        return None
    state, _, started = " ".join(said.split()).partition(" ")
    return None if state.startswith("Z") else started or None
