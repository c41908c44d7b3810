"""Bounds what is in the service at once: who comes when it is full is told so, and nobody waits unseen."""

import contextlib
from collections.abc import Iterator


class Full(Exception):
    """There is no room for another picture."""


class Gate:
    """Counts the pictures and the bytes that are in the service. Not for several threads.

    Args:
        pictures: how many there may be at once.
        content: how many bytes their requests' bodies may hold together.
    """

    def __init__(self, pictures: int, content: int) -> None:
        self._most_pictures, self._most_bytes = pictures, content
        self.pictures, self.content = 0, 0

    @contextlib.contextmanager
    def entered(self) -> Iterator["Ticket"]:
        """Lets a request in, as one of a single picture, until the block ends.

        Raises:
            Full: there is no room.
        """
        ticket = Ticket(self)
        try:
            ticket.add(pictures=1)
            yield ticket
        finally:
            ticket.leave()

    def take(self, pictures: int, content: int) -> None:
        """Takes room for more pictures and bytes.

        Raises:
            Full: there is not enough; nothing is taken then.
        """
        if self.pictures + pictures > self._most_pictures or self.content + content > self._most_bytes:
            raise Full
        self.pictures += pictures
        self.content += content


class Ticket:
    """The room that one request takes."""

    def __init__(self, gate: Gate) -> None:
        self._gate, self._pictures, self._content = gate, 0, 0

    def add(self, pictures: int = 0, content: int = 0) -> None:
        """Takes more room.

        Args:
            pictures: further pictures of the request.
            content: further bytes of its body.

        Raises:
            Full: there is not enough.
        """
        self._gate.take(pictures, content)
        self._pictures += pictures
        self._content += content

    def leave(self) -> None:
        """Gives all of it back."""
        self._gate.take(-self._pictures, -self._content)
        self._pictures = self._content = 0
