"""The environment that a pack records: every installed package, ferjax's code, the machine."""

import importlib.metadata
import re
from typing import Any

import ferjax
from ferjax.cluster.consistency import code_digest
from ferjax.platform.machine import describe_devices, describe_machine
from ferjax.platform.versions import library_versions


def lock() -> str:
    """Lists every installed package with its version, as a file that `pip install -r` reads; sorted.

    ferjax itself is left to a comment: it is installed from its repository.
    """
    found = {}
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata["Name"]
        if name and name != ferjax.__name__:
            found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), distribution.version)
    lines = [f"{name}=={version}\n" for name, version in sorted(found.items())]
    return "".join([f"# and ferjax {ferjax.__version__}, from its repository\n", *lines])


def environment() -> dict[str, Any]:
    """Describes where the pack is made: versions, a digest of ferjax's code, devices and machine."""
    return {
        "versions": library_versions(),
        "code": code_digest(),
        "device": describe_devices(),
        "machine": describe_machine(),
    }


def platform_of(result: dict[str, Any]) -> dict[str, Any]:
    """Returns what a run's numbers may depend on in their last bits, from its `result.json`.

    A result of an earlier version of ferjax does not tell its machine.
    """
    return {
        **{f"device {name}": value for name, value in result["device"].items()},
        **{f"version of {name}": version for name, version in result["versions"].items()},
        **{f"machine's {name}": value for name, value in (result.get("machine") or {}).items()},
        "machine is recorded": bool(result.get("machine")),
    }
