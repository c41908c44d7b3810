"""Counts and logs every request, and turns what nobody foresaw into an answer of one line."""

import time
import uuid
from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ferjax.serve import logs
from ferjax.serve.metrics import Metrics

# The key of the scope under which a request's numbers for its log line are kept.
FACTS = "ferjax.facts"
FAILURE = "the service failed; its log says where"
LEFT = 499  # the client closed the connection before its answer; nginx's number
_UNKNOWN = "other"
_PROBES = ("/healthz", "/readyz", "/metrics")  # come every few seconds; logged if they fail
_HEADERS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    # The documentation's page has a script of its own in it, and needs nothing from elsewhere.
    "content-security-policy": "default-src 'self'; script-src 'self' 'unsafe-inline'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; frame-ancestors 'none'; base-uri 'none'",
}


class Observe:
    """Wraps the whole service.

    Args:
        app: what is observed.
        metrics: is told every request.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        began, status, whole, number = time.perf_counter(), LEFT, False, uuid.uuid4().hex
        facts: MutableMapping[str, Any] = {}
        scope[FACTS] = facts

        async def answered(message: Message) -> None:
            nonlocal status, whole
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = number
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)
            whole = message["type"] == "http.response.body" and not message.get("more_body")

        try:
            await self._app(scope, receive, answered)
        except Exception:
            logs.write("failure", logs.logging.ERROR, id=number)
            if status == LEFT:
                failure = JSONResponse({"detail": FAILURE}, 500)
                await failure(scope, receive, answered)
            elif not whole:
                raise  # half an answer is out: the server closes the connection
        finally:
            seconds = time.perf_counter() - began
            route = getattr(scope.get("route"), "path", _UNKNOWN)
            self._metrics.request(route, status, seconds)
            if route not in _PROBES or status >= 400:
                logs.write(
                    "request", id=number, method=scope["method"], route=route, status=status,
                    seconds=round(seconds, 6), **facts,
                )  # fmt: skip
        return None
