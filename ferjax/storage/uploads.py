"""Stores a run's folder while the run goes on, when that is a copy of object storage."""

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from ferjax.errors import UserError
from ferjax.storage import mirrors
from ferjax.storage.lease import RENEWED, Lease, Lost
from ferjax.storage.mirror import Mirror, sweep
from ferjax.storage.objects import Gone, Refused

_logger = logging.getLogger(__name__)
_PAUSE = 1.0  # seconds between two looks for what has changed
_ROUNDS = 20  # failures one after the other, each of which has tried again, until the run ends
_failed: dict[Mirror, UserError] = {}


@contextlib.contextmanager
def uploading(folder: Path) -> Iterator[None]:
    """Keeps the place of a run in object storage up to date inside, and alone; does nothing for a disk.

    What the store holds is fetched again at the beginning, for it may have changed while another run's lease
    was watched; and everything is stored at the end, also when the block raises.

    Args:
        folder: of the run; made anew by what is fetched.

    Raises:
        UserError: another run writes there, the store cannot be written, or not everything could be stored.
    """
    copy = mirrors.of(folder)
    if copy is None:
        yield
        return
    mirror, name = copy
    address = mirror.address_of(name)
    lease, end = Lease(address), threading.Event()
    lease.take()
    mirrors.store(mirror)  # what a command has written beside its runs
    mirror.pull(name)
    sweep(address)
    thread = threading.Thread(target=_store, args=(mirror, lease, end), name="ferjax-uploads", daemon=True)
    thread.start()

    def finish() -> None:
        end.set()
        thread.join()
        _failed.pop(mirror, None)
        _renew(mirror, lease)
        mirrors.store(mirror)
        lease.release()

    try:
        yield
    except UserError:
        try:
            finish()
        except UserError as error:
            _logger.warning("%s", error)
        raise
    except BaseException:  # a signal, of which the command says that everything is saved
        finish()
        raise
    finish()


def _renew(mirror: Mirror, lease: Lease) -> None:
    """Renews the lease; nothing more is stored once another run has it."""
    try:
        lease.renew()
    except Lost:
        mirrors.abandon(mirror)
        raise


def check(folder: Path) -> None:
    """Raises the UserError that keeps a run's folder from being stored, if there is one."""
    copy = mirrors.of(folder)
    if copy and copy[0] in _failed:
        raise _failed[copy[0]]


def _store(mirror: Mirror, lease: Lease, end: threading.Event) -> None:
    """Stores what changes and renews the lease until the end, or until the store fails for good."""
    renewed, failures = time.monotonic(), 0
    while not end.wait(_PAUSE):
        try:
            if time.monotonic() - renewed > RENEWED:
                _renew(mirror, lease)
                renewed = time.monotonic()
            mirror.push()
            failures = 0
        except UserError as error:
            failures += 1
            if isinstance(error, Gone | Refused | Lost) or failures == _ROUNDS:
                _failed[mirror] = error
                return
        except OSError as error:
            _failed[mirror] = UserError(
                f"the copy in {mirror.root} cannot be read: {error.strerror or error}"
            )
            return
