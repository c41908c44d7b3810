"""The local copies that this process works on: made when an address is first named, stored at the end.

`ferjax.files.user_path` comes here with every address that a user gives, so a flag, an argument and a config
field mean the same.
"""

import contextlib
import logging
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ferjax.errors import UserError
from ferjax.storage import copies
from ferjax.storage.address import Address
from ferjax.storage.mirror import Mirror

_logger = logging.getLogger(__name__)
_mirrors: dict[Address, Mirror] = {}
_abandoned: list[Mirror] = []
# Path of this machine → the address that messages show instead.
_shown: dict[str, str] = {}
_in_command = False


def local(address: Address) -> Path:
    """Returns the copy of an address, fetched when this process first asks for it.

    Raises:
        UserError: the address cannot be read, see `ferjax.storage.objects.tried`.
    """
    if address not in _mirrors:
        # With the names above it, by which messages and comparisons tell runs apart.
        above = (address.bucket, *address.key.split("/")[:-1]) if address.key else ()
        root = Path(tempfile.mkdtemp(dir=copies.own_folder()), *above)
        root.mkdir(parents=True, exist_ok=True)
        mirror = Mirror(address, root)
        mirror.pull()
        _mirrors[address] = mirror
        show_as(mirror.path, address)
    return _mirrors[address].path


def of(path: Path) -> tuple[Mirror, str] | None:
    """Returns the copy that a path lies in, and its name there; None for a path of the disk."""
    for mirror in _mirrors.values():
        if path.is_relative_to(mirror.root):
            return mirror, path.relative_to(mirror.root).as_posix()
    return None


@contextlib.contextmanager
def stored() -> Iterator[None]:
    """Stores at the end of the block what has changed in the copies of this process, also if it raises.

    Raises:
        UserError: see `store`.
    """
    try:
        yield
    except BaseException:
        try:
            _store_all()
        except UserError as error:
            _logger.warning("%s", error)
        raise
    _store_all()


def _store_all() -> None:
    for mirror in _mirrors.values():
        store(mirror)


def abandon(mirror: Mirror) -> None:
    """Stores nothing of a copy from now on: another run writes its place."""
    _abandoned.append(mirror)


def store(mirror: Mirror) -> None:
    """Stores what has changed in a copy.

    Raises:
        UserError: it cannot be stored; the copy stays on this machine, and the line says where.
    """
    if mirror in _abandoned:
        return
    try:
        mirror.push()
    except UserError as error:
        copies.keep()
        raise UserError(f"{error}; what was not stored stays in {mirror.root}") from error


def show_as(path: Path, address: Address) -> None:
    """Lets `shown` name an address in place of a path."""
    _shown[str(path)] = str(address)
    if _in_command:
        _wrap_streams()


def show_addresses() -> None:
    """Lets everything that this command prints show addresses; on a disk nothing is changed."""
    global _in_command
    _in_command = True
    if _shown:
        _wrap_streams()


def _wrap_streams() -> None:
    for name in ("stdout", "stderr"):
        if not isinstance(stream := getattr(sys, name), ShowingAddresses):
            setattr(sys, name, ShowingAddresses(stream))


def shown(text: str) -> str:
    """Returns a text for people: addresses stand where the paths of their copies stood."""
    for path, address in _shown.items():
        text = text.replace(path, address)
    return text


class ShowingAddresses:
    """A stream whose readers see addresses, see `shown`; all else is the stream's own."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes a text to the stream."""
        return self._stream.write(shown(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
