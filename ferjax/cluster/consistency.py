"""Checks that all processes of a run have the same config, code and library versions."""

import hashlib
import json
import socket
import time
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

import ferjax
from ferjax.cluster.coordinator import UNAVAILABLE, Store
from ferjax.config import flat
from ferjax.errors import UserError, listed
from ferjax.files import plain
from ferjax.platform.versions import library_versions

# These may differ from host to host: where the images lie and how they are read.
LOCAL_FIELDS = ("data.dir", "data.cache", "data.workers")


def facts(config: ConfigDict, workdir: str) -> dict[str, Any]:
    """Returns what must be the same in every process: config fields, workdir, code and library versions."""
    fields = {f"config {name}": plain(value) for name, value in flat(config) if name not in LOCAL_FIELDS}
    # With this cache the compiled step differs: it holds the images.
    fields["config data.cache is device"] = config.data.cache == "device"
    versions = {f"version of {name}": version for name, version in library_versions().items()}
    return {**fields, **versions, "workdir": workdir, "code of ferjax": code_digest()}


def code_digest() -> str:
    """Hashes ferjax's source files."""
    root = Path(ferjax.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def differences(first: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Describes each fact that differs, one text each."""
    absent = "absent"
    return [
        f"{name} is {other.get(name, absent)!r} there, {first.get(name, absent)!r} in process 0"
        for name in sorted(first.keys() | other.keys())
        if first.get(name, absent) != other.get(name, absent)
    ]


def agree(store: Store, index: int, count: int, own: dict[str, Any], where: str, timeout: float) -> None:
    """Waits for all processes and compares their facts; returns in all of them or raises in all.

    Args:
        store: see `ferjax.cluster.coordinator`.
        index: this process's number; number 0 compares.
        count: number of processes.
        own: this process's facts, see `facts`; JSON-ready.
        where: the coordinator's address, for messages.
        timeout: seconds to wait for the others.

    Raises:
        UserError: a process has not come within the time, or has another config or other code.
    """
    store.set("facts", str(index), json.dumps({"host": socket.gethostname(), "facts": own}))
    if index == 0:
        message = _compare(store, count, own, where, timeout)
        store.set("agreement", "0", message)
    else:
        try:
            # Process 0 waits for all the others first, as long as it may.
            message = store.wait("agreement", "0", timeout + 30)
        except UNAVAILABLE as error:
            raise UserError(
                f"process 0 (coordinator {where}) has not answered within {timeout:.0f} s: is it running?"
            ) from error
    if message:
        raise UserError(message)


def _compare(store: Store, count: int, own: dict[str, Any], where: str, timeout: float) -> str:
    """Returns what is wrong, or an empty text."""
    end = time.monotonic() + timeout
    unequal, missing = [], []
    for index in range(1, count):
        try:
            other = json.loads(store.wait("facts", str(index), max(end - time.monotonic(), 0.1)))
        except UNAVAILABLE:
            missing.append(str(index))
            continue
        differing = differences(json.loads(json.dumps(own)), other["facts"])
        if differing:
            unequal.append(f"process {index} on {other['host']}: {listed(differing, separator='; ')}")
    if missing:
        return (
            f"of {count} processes the numbers {', '.join(missing)} have not come to the coordinator {where} "
            f"within {timeout:.0f} s; are they running, and can they reach that address?"
        )
    if unequal:
        return (
            "the processes do not run the same thing; start all with one config, from one checkout: "
            + listed(unequal, separator=". ")
        )
    return ""
