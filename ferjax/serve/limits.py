"""What a client may ask of the service, and how long anything may take."""

from typing import NamedTuple

MIB = 2**20
# Pixels of a picture: of a phone's usual photograph, 24 million, and not of every one that `predict` takes.
PIXELS = 25_000_000


class Limits(NamedTuple):
    """Limits of the service; what goes beyond is refused with an HTTP status of its own.

    Attributes:
        body_bytes: of a request's body (413).
        files: pictures of a request (413).
        pixels: width times height of a picture, which then counts as failed.
        faces: of a picture, the largest; the others are left out.
        queue: pictures that are read, waited for or computed at once, those of all requests together (429).
        queue_bytes: of the bodies of these requests (429).
        connections: that are open at once (503).
        head_seconds: until a request's headers are there; then the connection is closed.
        body_seconds: until its body is there (408).
        answer_seconds: until its answer is computed (503).
        drain_seconds: that requests have left to end once the service is told to stop.
    """

    body_bytes: int = 32 * MIB
    files: int = 16
    pixels: int = PIXELS
    faces: int = 100
    queue: int = 128
    queue_bytes: int = 256 * MIB
    connections: int = 500
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    answer_seconds: float = 60.0
    drain_seconds: float = 30.0
