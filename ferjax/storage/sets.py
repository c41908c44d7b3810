"""Built data sets that lie in object storage: fetched once a host, kept within a limit.

A set is kept under a name made of its listing, so what a run has opened never changes under it: a set that is
stored anew is another folder. All processes of a host share it. When room is needed, the sets go that were
opened longest ago and that no process has open.
"""

import contextlib
import fcntl
import functools
import hashlib
import os
import shutil
import uuid
from pathlib import Path
from typing import TextIO

from ferjax.errors import UserError
from ferjax.storage import copies, mirrors, objects
from ferjax.storage.address import Address
from ferjax.storage.mirror import check_names, check_room

VARIABLE = "FERJAX_STORAGE_GIB"
_DEFAULT_GIB = 100.0
_LOCK = ".lock"  # beside the folder of a set
# The locks of the sets that this process has open, held until it ends.
_open: list[TextIO] = []


@functools.cache
def fetched(root: Address, parts: tuple[str, ...]) -> Path:
    """Returns the copy of a built set; a process sees the same one from its first call on.

    Args:
        root: the folder of built sets, `data_dir`.
        parts: the names of the folders below it, such as `("fer2013", "1.0.0")`.

    Returns:
        The folder. It does not exist if the store holds no such set.

    Raises:
        UserError: the store cannot be read, the set has changed meanwhile, or it does not fit.
    """
    address = root.joined(*parts)
    found = objects.listing(address)
    check_names(address, found)
    sets = copies.base() / "sets"
    sets.mkdir(exist_ok=True)
    listed = sorted((name, entry.size, entry.tag) for name, entry in found.items())
    key = hashlib.sha256(repr((str(address), listed)).encode()).hexdigest()[:24]
    place, size = sets / key, sum(entry.size for entry in found.values())
    mirrors.show_as(place, root)
    folder = place.joinpath(*parts)
    if not found or _opened(place):
        return folder
    with copies.locked(sets / _LOCK):  # one process of a host fetches, the others find it fetched
        if not _opened(place):
            _make_room(sets, size)
            check_room(sets, size, address)
            _fetch(address, found, place, parts)
            _opened(place)
    return folder


def _opened(place: Path) -> bool:
    """Marks a set that is there as used now and open; tells whether it is there."""
    lock = place.with_name(place.name + _LOCK).open("a")
    fcntl.flock(lock, fcntl.LOCK_SH)
    if not place.is_dir():
        lock.close()
        return False
    os.utime(lock.name)
    _open.append(lock)
    return True


def _fetch(address: Address, found: dict[str, objects.Entry], place: Path, parts: tuple[str, ...]) -> None:
    unfinished = place.with_name(f".{place.name}.{uuid.uuid4().hex}.part")
    folder = unfinished.joinpath(*parts)
    try:
        objects.at_once(
            lambda name: objects.download(address.joined(name), folder / name, found[name].size), found
        )
        unfinished.replace(place)
    except objects.Gone as error:
        raise UserError(f"the data set {address} has changed while it was fetched ({error})") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _make_room(sets: Path, size: int) -> None:
    """Removes sets until one of `size` bytes fits below the limit; what killed processes left goes first.

    Raises:
        UserError: it does not fit.
    """
    for left in sets.glob(".*.part"):
        shutil.rmtree(left, ignore_errors=True)
    limit = _limit()
    if size > limit:
        raise UserError(
            f"a data set of {size / 2**30:.2f} GiB does not fit into the {limit / 2**30:g} GiB kept in "
            f"{sets}; allow more in {VARIABLE}, or mount the bucket"
        )
    kept = {path: _bytes(path) for path in sets.iterdir() if path.is_dir()}
    for path in sorted(kept, key=lambda path: path.with_name(path.name + _LOCK).stat().st_mtime):
        if sum(kept.values()) + size <= limit:
            return
        with contextlib.suppress(BlockingIOError):  # a process has it open
            lock = path.with_name(path.name + _LOCK)
            with copies.locked(lock, fcntl.LOCK_EX | fcntl.LOCK_NB):
                shutil.rmtree(path)
                del kept[path]
    if sum(kept.values()) + size > limit:
        raise UserError(
            f"a data set of {size / 2**30:.2f} GiB does not fit beside those that runs have open: {sets} may "
            f"hold {limit / 2**30:g} GiB; allow more in {VARIABLE}"
        )


def _limit() -> float:
    text = os.environ.get(VARIABLE) or str(_DEFAULT_GIB)
    try:
        gib = float(text)
    except ValueError:
        gib = 0
    if not 0 < gib < float("inf"):
        raise UserError(f"{VARIABLE}={text[:40]} is no number of GiB above 0")
    return gib * 2**30


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
