"""Reads the pictures of a request's body: a form with files, or one picture as it is. Memory only."""

import asyncio
from collections.abc import AsyncGenerator

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from ferjax.serve.gate import Ticket
from ferjax.serve.limits import MIB, Limits

FIELD = "files"
_FIELD_BYTES = 1024  # of a part that is no file, which is refused once the form is whole
FORM = "multipart/form-data"
PICTURE = ("image/", "application/octet-stream")


class Refused(Exception):
    """The request is not answered; `status` is HTTP's, the message one line for the client."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def read_pictures(request: Request, limits: Limits, ticket: Ticket) -> list[bytes]:
    """Reads the files of a request, one or more. Their names are dropped unseen.

    Args:
        request: its body is a form with files in the field `files`, or a picture.
        limits: bytes, files and seconds.
        ticket: takes room for the bytes and pictures.

    Raises:
        Refused: the body is too large, too slow, or not what is wanted.
        ferjax.serve.gate.Full: there is no room for it.
        ClientDisconnect: the client has left.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    kind = kind.decode("latin-1")
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Refused(415, "the body is compressed: send it as it is, without Content-Encoding")
    if kind != FORM and not kind.startswith(PICTURE):
        raise Refused(
            415,
            f"send a form ({FORM}) with files in the field {FIELD!r}, or one picture as it is with a "
            "Content-Type such as image/jpeg",
        )
    if _length(request) > limits.body_bytes:
        raise _too_large(limits)
    try:
        async with asyncio.timeout(limits.body_seconds):
            if kind == FORM:
                return await _files(request, options.get(b"boundary", b""), limits, ticket)
            content = b"".join([chunk async for chunk in _chunks(request, limits, ticket)])
    except TimeoutError:
        message = f"the body did not arrive within {limits.body_seconds:g} seconds"
        raise Refused(408, message) from None
    if not content:
        raise Refused(400, "the body is empty: send a picture")
    return [content]


def _length(request: Request) -> int:
    """Returns what the client says of its body's length; 0 if nothing, as for a body in chunks."""
    length = request.headers.get("content-length", "")
    return int(length[:20]) if length.isascii() and length.isdigit() else 0


def _too_large(limits: Limits) -> Refused:
    return Refused(
        413, f"the body has more than {limits.body_bytes / MIB:g} MiB: send fewer or smaller files"
    )


async def _chunks(request: Request, limits: Limits, ticket: Ticket) -> AsyncGenerator[bytes, None]:
    """Yields the body's parts, and refuses what goes beyond the limits before it is kept."""
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limits.body_bytes:
            raise _too_large(limits)
        ticket.add(content=len(chunk))
        yield chunk


class _InMemory(MultiPartParser):
    """Keeps every file in memory, where Starlette's own writes those above 1 MiB to the disk."""

    spool_max_size = 0  # tempfile's word for: never
    ended = False

    def on_end(self) -> None:
        """Notes that the form is whole; what is cut off would else be left out unseen."""
        self.ended = True


async def _files(request: Request, boundary: bytes, limits: Limits, ticket: Ticket) -> list[bytes]:
    # Nothing else of the client's header is handed on: a `charset` could name any of Python's codecs.
    header = Headers(raw=[(b"content-type", FORM.encode() + b'; boundary="' + boundary + b'"')])
    stream = _chunks(request, limits, ticket)
    # One more than allowed, so that the message is the service's own.
    parser = _InMemory(
        header, stream, max_files=limits.files + 1, max_fields=limits.files, max_part_size=1024
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        if len(parser.items) > limits.files:
            raise _too_many(limits) from None
        raise Refused(400, f"the form cannot be read ({error.message})") from None
    except (ValueError, RuntimeError) as error:
        raise Refused(400, f"the form cannot be read ({type(error).__name__})") from None
    if not parser.ended:
        raise Refused(400, "the form cannot be read (its end is missing)")
    items = form.multi_items()
    if len(items) > limits.files:
        raise _too_many(limits)
    if not items or any(name != FIELD or not isinstance(item, UploadFile) for name, item in items):
        raise Refused(400, f"every part of the form must be a file in the field {FIELD!r}, one or more")
    ticket.add(pictures=len(items) - 1)
    return [item.file.read() for _, item in items if isinstance(item, UploadFile)]


def _too_many(limits: Limits) -> Refused:
    return Refused(413, f"a request takes at most {limits.files} files: send several requests")
