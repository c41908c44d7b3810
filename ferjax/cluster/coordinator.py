"""Process 0 is the coordinator: waits until it can be reached, and reads and writes its key-value store."""

import socket
import time
from typing import Protocol

import jax
from jax._src import distributed  # the key-value store has no public name in JAX

from ferjax.errors import UserError

_ROOT = "ferjax"
_RETRY = 0.5  # seconds
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


def reach(address: str, listens: bool, timeout: float) -> None:
    """Waits until this process can reach the coordinator; as the coordinator, checks that its port is free.

    Args:
        address: `host:port`.
        listens: whether this process will be the coordinator.
        timeout: seconds.

    Raises:
        UserError: the address is not HOST:PORT, the port is taken, or nothing answered within the time.
    """
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isdigit() and 0 < int(port) < 65536):
        raise UserError(f"the coordinator {address!r} is not HOST:PORT, such as 10.0.0.1:1234")
    host = host.strip("[]")
    if listens:
        with socket.socket(socket.AF_INET6 if socket.has_ipv6 else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("", int(port)))
            except OSError as error:
                raise UserError(
                    f"process 0 cannot listen on port {port}: {error.strerror}; take another"
                ) from error
        return
    end = time.monotonic() + timeout
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=max(end - time.monotonic(), 0.1)).close()
            return
        except OSError as error:
            if time.monotonic() + _RETRY > end:
                raise UserError(
                    f"the coordinator {address} could not be reached within {timeout:.0f} s "
                    f"({error.strerror or error}); is process 0 running there, and is the port open?"
                ) from error
        time.sleep(_RETRY)  # not yet started, or its name not yet known
