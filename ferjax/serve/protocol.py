"""Slow clients: closes connections that take too long to send a request's headers or to take its answer."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HEAD_BYTES = 2**16  # of a request's line and headers
_PIECE = 2**13  # bytes that are read at once, so that a head is measured before it is whole
_TAKE_SECONDS = 30.0  # to take an answer, which has some kilobytes


def protocol_for(head_seconds: float, request_seconds: float) -> type[HttpToolsProtocol]:
    """Makes a protocol for uvicorn, which by itself waits for headers without end.

    Args:
        head_seconds: from the connection, or the last answer, to the end of the next request's headers.
        request_seconds: that the service takes for a body and its answer at most.
    """

    class Protocol(HttpToolsProtocol):
        """Closes a connection when the current part of a request is not over in time."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._alarm: asyncio.TimerHandle | None = None
            self._head: int | None = None  # bytes of a head that is not whole; None: none has begun
            self._piece = 0  # bytes that are read at once

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._allow(head_seconds)

        def data_received(self, data: bytes) -> None:
            for start in range(0, len(data), _PIECE):
                piece = data[start : start + _PIECE]
                self._piece = len(piece)
                if self._head is not None:
                    self._head += len(piece)
                super().data_received(piece)
                if self._head is not None and self._head > _HEAD_BYTES:
                    self.transport.abort()
                if self.transport.is_closing():
                    return

        def on_message_begin(self) -> None:
            # Not earlier: what comes after a refusal may be the rest of a refused body.
            self._head = self._piece
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self._head = None
            self._allow(request_seconds + _TAKE_SECONDS)
            super().on_headers_complete()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._allow(head_seconds)

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            self._allow(None)

        def _allow(self, seconds: float | None) -> None:
            if self._alarm:
                self._alarm.cancel()
            # abort(): close() would wait until the client has taken what was written.
            self._alarm = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)

    return Protocol
