"""Process 0 is the coordinator: reads and writes its key-value store."""

from typing import Protocol

import jax
from jax._src import distributed  # the key-value store has no public name in JAX

_ROOT = "ferjax"
UNAVAILABLE = jax.errors.JaxRuntimeError


class Store(Protocol):
    """Text under keys. Every call may raise `UNAVAILABLE`, and may block when process 0 is gone."""

    def set(self, folder: str, name: str, text: str) -> None:
        """Writes or replaces."""

    def wait(self, folder: str, name: str, seconds: float) -> str:
        """Reads a text; waits for it at most so many seconds."""
        ...

    def read(self, folder: str) -> dict[str, str]:
        """Returns name → text of everything in a folder now."""
        ...


class CoordinatorStore:
    """The store that JAX's coordinator, process 0, keeps."""

    def __init__(self) -> None:
        client = distributed.global_state.client
        if client is None:
            raise RuntimeError("jax.distributed is not initialized")
        self._client = client

    def set(self, folder: str, name: str, text: str) -> None:  # noqa: D102
        self._client.key_value_set(f"{_ROOT}/{folder}/{name}", text, allow_overwrite=True)

    def wait(self, folder: str, name: str, seconds: float) -> str:  # noqa: D102
        return self._client.blocking_key_value_get(f"{_ROOT}/{folder}/{name}", int(seconds * 1000))

    def read(self, folder: str) -> dict[str, str]:  # noqa: D102
        entries = self._client.key_value_dir_get(f"{_ROOT}/{folder}/")
        return {key.rpartition("/")[2]: text for key, text in entries}


def coordinator_address() -> str:
    """Returns host:port of process 0, or "unknown" before the processes have joined."""
    return distributed.global_state.coordinator_address or "unknown"


def position() -> tuple[int, int]:
    """Returns this process's number and the number of processes, without touching a device."""
    return distributed.global_state.process_id, distributed.global_state.num_processes
