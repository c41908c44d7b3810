"""Asks an ASGI application as a client would, without a socket."""

import asyncio
import json
from typing import NamedTuple

BOUNDARY = "a-boundary"


class Reply(NamedTuple):
    status: int
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


def form(*files, field="files", name="x.png"):
    """The header and the body of a form with files."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'.encode()
        + content
        + b"\r\n"
        for content in files
    ]
    return {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}, b"".join(
        [*parts, f"--{BOUNDARY}--\r\n".encode()]
    )


def scope_of(method, path, headers):
    path, _, query = path.partition("?")
    headers = {"host": "127.0.0.1:8700", **headers}
    return {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": path,
        "raw_path": path.encode(), "query_string": query.encode(), "root_path": "", "scheme": "http",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8700),
    }  # fmt: skip


async def asked(app, method, path, headers=None, chunks=(b"",), left=None, reading=None):
    """The reply, while other requests may be asked in the same loop.

    `left`: an `asyncio.Event`; when it is set after the body, the client has left. With `chunks=None` no
    body ever comes. `reading`: another, which is set when the application asks for the body.
    """
    waiting = [] if chunks is None else list(chunks)
    sent = []

    async def receive():
        if reading:
            reading.set()
        if waiting:
            return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}
        await (left or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    await app(scope_of(method, path, headers or {}), receive, send)
    start, *rest = sent
    pairs = {name.decode(): value.decode() for name, value in start["headers"]}
    return Reply(start["status"], pairs, b"".join(message.get("body", b"") for message in rest))


def ask(app, method, path, headers=None, *chunks):
    """The reply to one request."""
    return asyncio.run(asked(app, method, path, headers, chunks or (b"",)))


def post(app, path, headers_and_body):
    """The reply to a form or a picture."""
    headers, body = headers_and_body
    return ask(app, "POST", path, headers, body)
