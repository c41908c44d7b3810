"""Connections of slow clients, over a real socket."""

import asyncio

import pytest
import uvicorn
from uvicorn.server import ServerState

from ferjax.serve.protocol import protocol_for
from ferjax.serve.server import listen

LONG = 1000.0


async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


def talk(sent, head_seconds):
    """All that a server says to a client that then only listens, until the connection is closed."""

    async def run():
        config = uvicorn.Config(app, lifespan="off", log_config=None, ws="none", timeout_keep_alive=LONG)
        config.load()
        state = ServerState()
        make = protocol_for(head_seconds, LONG)
        loop = asyncio.get_running_loop()
        opened = listen("127.0.0.1", 0)
        server = await loop.create_server(lambda: make(config, state, {}, loop), sock=opened)
        async with server:
            reader, writer = await asyncio.open_connection(*opened.getsockname())
            writer.write(sent)
            try:
                return await asyncio.wait_for(reader.read(), 60)
            except ConnectionResetError:
                return b""
            finally:
                writer.close()

    return asyncio.run(run())


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: b"])
def test_a_head_that_does_not_come(sent):
    assert talk(sent, 0.05) == b""


def test_a_connection_that_is_idle_after_an_answer():
    assert talk(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 0.05).endswith(b"\r\n\r\nok")


def test_a_head_without_end():
    assert talk(b"GET / HTTP/1.1\r\nX-A: " + b"a" * 2**20, LONG) == b""


@pytest.mark.parametrize("count", [1, 10], ids=["one header", "ten headers"])
def test_a_head_that_is_too_large_though_it_ends(count):
    def head(size):
        lines = [b"X-%d: " % number + b"a" * (size // count) + b"\r\n" for number in range(count)]
        return b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + b"".join(lines) + b"\r\n"

    assert talk(head(60_000), LONG).endswith(b"ok")
    assert talk(head(74_000), LONG) == b""


def test_a_large_body_that_nobody_reads_does_not_lose_the_answer():
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % 2**21
    again = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert talk(head + bytes(2**21) + again, LONG).count(b"HTTP/1.1 200 OK") == 2


def test_what_is_no_http():
    assert talk(b"\x16\x03\x01\x00\xa5" * 10, LONG).startswith(b"HTTP/1.1 400")
