"""Runs the service until it is told to stop, and lets the requests end that it has taken."""

import signal
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from ferjax.errors import UserError
from ferjax.serve.limits import Limits
from ferjax.serve.protocol import protocol_for

_BACKLOG = 256  # connections that the system keeps until they are accepted


def listen(host: str, port: int) -> socket.socket:
    """Opens the socket, so that a port in use shows before the network is opened.

    Args:
        host: an address of this computer, or `0.0.0.0` or `::` for all.
        port: 0: any that is free.

    Raises:
        UserError: the address is not this computer's, or the port is in use.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        opened = socket.socket(family, kind)
    except OSError as error:
        raise UserError(f"--host={host} is no address ({error.strerror})") from error
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind(address)
    except OSError as error:
        opened.close()
        raise UserError(
            f"{host}, port {port} cannot be used ({error.strerror}); name another --port or --host"
        ) from error
    return opened


class _Server(uvicorn.Server):
    """Tells when it listens, and when it is to stop."""

    def __init__(
        self, config: uvicorn.Config, started: Callable[[], None], stopping: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._started, self._stopping = started, stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listens."""
        await super().startup(sockets)
        self._started()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Notes a signal."""
        self._stopping()
        super().handle_exit(sig, frame)


def run(
    app: ASGIApp,
    opened: socket.socket,
    limits: Limits,
    started: Callable[[], None],
    stopping: Callable[[], None],
) -> None:
    """Serves until SIGTERM or ^C: no connection is accepted then, and what was asked is still answered.

    Args:
        app: the service.
        opened: see `listen`.
        limits: how many connections there may be, and how long things may take.
        started: is called once it listens.
        stopping: is called at the first signal.
    """
    config = uvicorn.Config(
        app,
        http=protocol_for(limits.head_seconds, limits.body_seconds + limits.answer_seconds),
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        limit_concurrency=limits.connections,
        timeout_graceful_shutdown=round(limits.drain_seconds),
    )
    # uvicorn sends itself the signal again when all is done; it was the way to end, so the exit code is 0.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    _Server(config, started, stopping).run(sockets=[opened])
