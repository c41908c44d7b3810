"""A server of the S3 protocol on the loopback interface, moto's, that fails as it is told."""

import contextlib
import socket
import struct
import threading
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from xml.etree import ElementTree

from moto.moto_server.werkzeug_app import MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from ferjax.storage import copies, objects, sets

BUCKET = "bucket"
# moto looks who asks, and not whether that is true.
_SIGNED = "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request"
DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
BUSY = b"<Error><Code>InternalError</Code><Message>We are busy</Message></Error>"

# Method and key of a request → None to serve it, or what happens instead.
Fault = Callable[[str, str], str | None]


class _Handler(MotoRequestHandler):
    """Writes no line for each request."""

    def log(self, *_: object) -> None:
        pass


class ObjectStore:
    """A running server with one bucket.

    Attributes:
        requests: `METHOD key` of every request that reached it, in order.
        fault: decides over each request: "503", "denied", "reset" (the connection), "silent" (until the
            client leaves), "cut" (half of the body) or None.
    """

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.fault: Fault | None = None
        self._app = create_backend_app("s3")
        self._server = make_server("127.0.0.1", 0, self._serve, threaded=True, request_handler=_Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._ask("PUT", "")

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which a client finds it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",  # nobody is asked outside of this machine
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }

    def close(self) -> None:
        """Ends the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def put(self, key: str, content: bytes) -> None:
        """Writes an object, past all faults."""
        self._ask("PUT", key, content)

    def get(self, key: str) -> bytes:
        """Reads an object, past all faults."""
        return self._ask("GET", key)

    def remove(self, key: str) -> None:
        """Removes an object, past all faults."""
        self._ask("DELETE", key)

    def names(self, prefix: str = "") -> list[str]:
        """Lists the bucket, past all faults."""
        answer = self._ask("GET", "", query=f"?list-type=2&prefix={urllib.parse.quote(prefix)}")
        return [str(each.text) for each in ElementTree.fromstring(answer).iter() if each.tag.endswith("Key")]

    @contextlib.contextmanager
    def failing(self, fault: Fault) -> Iterator[None]:
        """Lets requests fail inside."""
        self.fault = fault
        try:
            yield
        finally:
            self.fault = None

    def _ask(self, method: str, key: str, content: bytes | None = None, query: str = "") -> bytes:
        url = f"{self.url}/{BUCKET}/{urllib.parse.quote(key)}{query}"
        kind = "application/octet-stream"  # a form would be taken apart
        headers = {"X-Past-Faults": "1", "Authorization": _SIGNED, "Content-Type": kind}
        request = urllib.request.Request(url, content, headers, method=method)
        with urllib.request.urlopen(request) as answer:
            return answer.read()

    def _serve(self, environ, start_response):
        if "HTTP_X_PAST_FAULTS" in environ:
            return self._app(environ, start_response)
        method, key = environ["REQUEST_METHOD"], environ["PATH_INFO"].removeprefix(f"/{BUCKET}").lstrip("/")
        self.requests.append(f"{method} {key}")
        happens = self.fault(method, key) if self.fault else None
        if happens in ("503", "denied"):
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            status, body = ("503 Busy", BUSY) if happens == "503" else ("403 Forbidden", DENIED)
            start_response(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
            return [body]
        if happens in ("reset", "silent"):
            connection = environ["werkzeug.socket"]
            if happens == "silent":
                while connection.recv(1 << 16):
                    pass
            _break(connection)
            raise ConnectionError("as the test wants")
        body = self._app(environ, start_response)
        return _half(b"".join(body), environ["werkzeug.socket"]) if happens == "cut" else body


def _break(connection: socket.socket) -> None:
    """Ends a connection with a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.shutdown(socket.SHUT_RDWR)


def _half(body: bytes, connection: socket.socket) -> Iterator[bytes]:
    yield body[: len(body) // 2]
    _break(connection)


def forget() -> None:
    """Makes this process ask anew for the client, its folder of copies, and what sets it has fetched."""
    for cached in (objects.client, copies.own_folder, sets.fetched):
        cached.cache_clear()


def after(count: int, happens: str) -> Fault:
    """Serves `count` writes, and lets all later ones fail."""
    served = iter(range(count))
    return lambda method, key: happens if method != "GET" and next(served, None) is None else None


def first(count: int, happens: str, methods: str = "GET PUT") -> Fault:
    """Lets the first `count` requests of these methods fail."""
    left = iter(range(count))
    return lambda method, key: happens if method in methods.split() and next(left, None) is not None else None
