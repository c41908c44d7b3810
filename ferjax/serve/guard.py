"""Keeps web pages of others from using the service through a visitor's browser."""

import re
from collections.abc import Collection, Sequence

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ferjax.errors import UserError

LOOPBACK = ("127.0.0.1", "::1", "localhost")
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?")


def read_origins(origins: Sequence[str]) -> tuple[str, ...]:
    """Checks the origins whose pages may ask the service.

    Raises:
        UserError: one is no origin, such as `https://example.org`.
    """
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise UserError(
                f"--cors={origin} is no origin: write SCHEME://HOST[:PORT], such as https://example.org"
            )
    return tuple(origin.lower() for origin in origins)


class Guard:
    """Refuses requests of pages that were not allowed, and of host names that are not this computer's.

    A page in a browser may give its own host name this computer's address, and could then read what a
    service without a key answers, if that name were not refused.

    Args:
        app: what is guarded.
        origins: whose pages are allowed, beside the service's own.
        hosts: names by which it may be asked; empty: any.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str], hosts: Collection[str]) -> None:
        self._app, self._origins, self._hosts = app, origins, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers itself, or passes the request on."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            host, origin = headers.get("host", "").lower(), headers.get("origin", "").lower()
            if self._hosts and _name(host) not in self._hosts:
                refusal = JSONResponse({"detail": "the service has another host name"}, 400)
                return await refusal(scope, receive, send)
            if origin and origin not in self._origins and origin.partition("://")[2] != host:
                refusal = JSONResponse({"detail": "pages of this origin are not allowed"}, 403)
                return await refusal(scope, receive, send)
        return await self._app(scope, receive, send)


def _name(host: str) -> str:
    """Returns a `Host` header without its port: `[::1]:8700` is `::1`."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
