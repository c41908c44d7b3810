"""A local copy of a place in object storage: what lies there is fetched, and what changes here is stored.

Programs read and write the copy as any folder, so that everything is as on a disk: checkpoints, appended
files, locks. `push` stores whole files only, in an order that a reader, or a kill at any moment, cannot tell
from a slower run: metrics before the checkpoint that follows them, the file that ends a checkpoint after all
its others, `result.json` last. Objects that neither `pull` nor `push` of this copy has seen are left alone.
"""

import contextlib
import os
import re
import shutil
import threading
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from ferjax.errors import UserError
from ferjax.storage import objects
from ferjax.storage.address import Address
from ferjax.storage.objects import Entry

_LOOKS = 4  # listings until a place that changes while it is fetched is given up
_LAST = "result.json"
# Orbax writes it when all other files of a checkpoint are there.
_END_OF_CHECKPOINT = "_CHECKPOINT_METADATA"
_CHECKPOINT = re.compile(r"(?:.*/)?checkpoints/(?:0|[1-9][0-9]*)(?=/)")
# Locks, and what is being written: by `ferjax.files.replacing`, by Orbax, by `objects.download`.
_UNFINISHED = re.compile(
    r"(^|/)(\.lock|\.lease|\.[^/]*\.(tmp|part)(/.*)?|[^/]*\.orbax-checkpoint-tmp[^/]*/.*)$"
)


class _Known(NamedTuple):
    """A file that is the same here and there.

    Attributes:
        entry: the object's size and tag; None once it was stored from here, until it is listed again.
        stat: the file's size and time of change.
    """

    entry: Entry | None
    stat: tuple[int, int]


class Mirror:
    """The local copy `root / address.name` of an address, which may be one object or many.

    What a command writes beside it, such as `WORKDIR-against`, is stored beside the address. Names below are
    paths from `root`, with slashes.

    Attributes:
        address: the place.
        root: the folder that holds nothing else.
        path: the file or folder of this machine.
    """

    def __init__(self, address: Address, root: Path) -> None:
        """Fetches nothing yet.

        Args:
            address: the place.
            root: an empty folder of its own.
        """
        self.address, self.root, self.path = address, root, root / address.name
        self._known: dict[str, _Known] = {}
        self._busy = threading.Lock()

    def address_of(self, name: str) -> Address:
        """Returns the address of a file or folder of the copy, or of one beside it."""
        first, _, rest = name.partition("/")
        return (self.address if first == self.address.name else self.address.beside(first)).joined(rest)

    def pull(self, folder: str = "") -> None:
        """Makes the copy what lies in the store, but for checkpoints that are not whole there.

        Args:
            folder: the name of what is fetched; the whole place if empty.

        Raises:
            UserError: it cannot be read, does not fit on this disk, or changes faster than it is fetched.
        """
        folder = folder or self.address.name
        with self._busy:
            for _ in range(_LOOKS):
                found = objects.listing(self.address_of(folder))
                check_names(self.address_of(folder), found)
                for name in broken(found):
                    del found[name]
                found = {f"{folder}/{name}".rstrip("/"): entry for name, entry in found.items()}
                with contextlib.suppress(objects.Gone):  # a run goes on and has removed an old checkpoint
                    self._fetch(folder, found)
                    return
        raise UserError(f"{self.address} changes while it is read; try again when nothing writes there")

    def _fetch(self, folder: str, found: Mapping[str, Entry]) -> None:
        for name in self._known.keys() - found.keys():
            if f"{name}/".startswith(f"{folder}/"):
                (self.root / name).unlink(missing_ok=True)
                del self._known[name]
        wanted = {
            name: entry
            for name, entry in found.items()
            if not _UNFINISHED.search(name) and not self._has(name, entry)
        }
        check_room(self.root, sum(entry.size for entry in wanted.values()), self.address)

        def fetch(name: str) -> None:
            file = self.root / name
            if file.is_dir():  # an empty one, which a store does not know; one with files ends in an error
                for emptied in sorted(file.glob("**"), reverse=True):
                    emptied.rmdir()
            objects.download(self.address_of(name), file, wanted[name].size)
            self._known[name] = _Known(wanted[name], _stat(file))

        objects.at_once(fetch, wanted)

    def _has(self, name: str, entry: Entry) -> bool:
        known, file = self._known.get(name), self.root / name
        if known is None or not file.exists() or _stat(file) != known.stat:
            return False
        # What was stored from here is known by its size until it is fetched.
        return known.entry == entry or (known.entry is None and known.stat[0] == entry.size)

    def push(self) -> None:
        """Stores what was written or removed here since the last call; files that are being written wait.

        Raises:
            UserError: something could not be stored, and the next call stores it; or the copy was removed.
            OSError: the copy cannot be read.
        """
        with self._busy:
            now = self._files()
            changed = [name for name, stat in now.items() if not self._is_stored(name, stat)]
            for rank in sorted({_rank(name) for name in changed}):
                self._store([name for name in changed if _rank(name) == rank], now)
            gone = self._known.keys() - now.keys()
            if not any(name.endswith(_END_OF_CHECKPOINT) for name in now):
                # Somebody is clearing the disk: the last checkpoint is never removed from the store.
                gone = {name for name in gone if not _CHECKPOINT.match(name)}
            # The ends of checkpoints first, so that one half removed is none.
            for rank in sorted({_rank(name) for name in gone}, reverse=True):
                group = [name for name in gone if _rank(name) == rank]
                objects.at_once(lambda name: objects.remove(self.address_of(name)), group)
                for name in group:
                    del self._known[name]

    def _is_stored(self, name: str, stat: tuple[int, int]) -> bool:
        return name in self._known and self._known[name].stat == stat

    def _store(self, names: Collection[str], now: Mapping[str, tuple[int, int]]) -> None:
        def store(name: str) -> None:
            if name.endswith(_END_OF_CHECKPOINT):
                others = [other for other in now if other.startswith(name.removesuffix(_END_OF_CHECKPOINT))]
                if not all(self._is_stored(other, now[other]) for other in others if other != name):
                    return
            with contextlib.suppress(FileNotFoundError):  # an old checkpoint was removed meanwhile
                objects.upload(self.root / name, self.address_of(name))
                self._known[name] = _Known(None, now[name])

        objects.at_once(store, names)

    def _files(self) -> dict[str, tuple[int, int]]:
        """Returns name → size and time of change of all whole files."""
        if not self.root.is_dir():
            raise UserError(
                f"{self.root}, the copy of {self.address}, was removed; run the same command again"
            )
        files = {}
        for folder, _, names in os.walk(self.root, onerror=_reraise_unless_gone):
            for path in (Path(folder, name) for name in names):
                name = path.relative_to(self.root).as_posix()
                # A link is followed by no copy: it may lead out of the folder.
                if not _UNFINISHED.search(name) and path.is_file() and not path.is_symlink():
                    with contextlib.suppress(FileNotFoundError):
                        files[name] = _stat(path)
        return files


def sweep(run: Address) -> None:
    """Removes the checkpoints of a run from the store that are not whole; nobody may be writing them."""
    left = broken(objects.listing(run))
    objects.at_once(lambda name: objects.remove(run.joined(name)), left)


def broken(names: Collection[str]) -> list[str]:
    """Returns those of a listing that belong to checkpoints whose last file is missing.

    >>> broken(["checkpoints/10/_CHECKPOINT_METADATA", "checkpoints/10/a", "checkpoints/20/a", "b"])
    ['checkpoints/20/a']
    """
    checkpoints = {name: found[0] for name in names if (found := _CHECKPOINT.match(name))}
    whole = {place for place in checkpoints.values() if f"{place}/{_END_OF_CHECKPOINT}" in names}
    return sorted(name for name, place in checkpoints.items() if place not in whole)


def check_names(address: Address, names: Collection[str]) -> None:
    """Raises UserError if the keys below an address cannot be names of files in one folder."""
    folders = {parent for name in names for parent in _folders_of(name)}
    for name in names:
        parts = name.split("/")
        if name and ({"", ".", ".."} & set(parts) or "\0" in name):
            raise UserError(f"no file can have the name of the object {str(address.joined(name))[:200]!r}")
        if name in folders:
            raise UserError(f"{address.joined(name)} is an object and a folder, which no disk can hold")


def _folders_of(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:count]) for count in range(len(parts))] if name else []


def _rank(name: str) -> int:
    """Orders what is stored: a file of a higher rank says that those of lower ranks are there."""
    if name.endswith(_END_OF_CHECKPOINT):
        return 2
    if _CHECKPOINT.match(name):
        return 1
    return 3 if name.rpartition("/")[2] == _LAST else 0


def _reraise_unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


def _stat(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def check_room(folder: Path, size: int, address: Address) -> None:
    """Raises UserError unless `size` bytes from an address fit on the disk of a folder."""
    free = shutil.disk_usage(folder).free
    if size > free:
        raise UserError(
            f"{address} holds {size / 2**30:.1f} GiB to fetch, and {folder} has {free / 2**30:.1f} GiB left; "
            "make room, or name a larger disk in FERJAX_STORAGE_DIR"
        )
