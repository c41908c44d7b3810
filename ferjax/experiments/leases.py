"""Who works on what: leases in files of a folder that all workers see, on one machine or on several.

A lease of NAME is the file NAME.G with the largest generation G. Creating the next generation is the only way
to take one, and a file system lets one process alone create a file: no two ever hold a lease, and nothing has
to be deleted. The holder touches its file; who sees it untouched for long, or knows its process to be dead,
may take the next generation. A holder that was only slow finds the newer file and ends at once.
"""

import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ferjax.errors import TRY_AGAIN, UserError
from ferjax.files import write_atomic
from ferjax.platform.living import lives, this_process

BEAT = 10.0  # seconds between two touches
EXPIRY = 120.0  # seconds without a touch: longer than network disks keep what they know of a file


class Leases:
    """Takes leases in a folder.

    Clocks of machines differ, so a touch is never compared with this machine's time: a lease has expired when
    this worker has seen the same time of change for `expiry` seconds of its own clock.
    """

    def __init__(
        self,
        folder: Path,
        beat: float = BEAT,
        expiry: float = EXPIRY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Makes the folder.

        Args:
            folder: on a disk that all workers see.
            beat: seconds between two touches of a lease that is held.
            expiry: seconds without a touch after which another worker may take it.
            clock: seconds that only go forward.

        Raises:
            UserError: the folder cannot be made.
        """
        self._folder, self._beat, self._expiry, self._clock = folder, beat, expiry, clock
        self._seen: dict[Path, tuple[int, float]] = {}  # file → time of change, and when it was first seen
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot write to {folder}: {error.strerror}; name another --workdir") from error

    def take(self, name: str) -> "Lease | None":
        """Takes the lease of a name; None if another worker holds it.

        Args:
            name: a file name.

        Raises:
            UserError: the folder cannot be written.
        """
        generation = self._newest(name)
        if generation and not self._abandoned(self._path(name, generation)):
            return None
        path = self._path(name, generation + 1)
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            return None
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}; mend that and go on") from error
        with os.fdopen(file, "wb") as opened:
            opened.write(json.dumps(this_process()).encode())
        return Lease(path, self._path(name, generation + 2), self._beat)

    def _path(self, name: str, generation: int) -> Path:
        return self._folder / f"{name}.{generation}"

    def _newest(self, name: str) -> int:
        generation = 0
        while self._path(name, generation + 1).exists():
            generation += 1
        return generation

    def _abandoned(self, path: Path) -> bool:
        """Tells whether nobody holds a lease any more: it was given back, or its holder is gone."""
        try:
            holder, changed = _holder(path.read_bytes()), path.stat().st_mtime_ns
        except OSError:
            return False
        if holder.get("free"):
            return True
        if (alive := lives(holder)) is not None:
            return not alive
        before, since = self._seen.get(path, (None, 0.0))
        if before != changed:
            self._seen[path] = changed, self._clock()
            return False
        return self._clock() - since > self._expiry


class Lease:
    """A lease that this process holds; given back at the end of its block, or by its process's death."""

    def __init__(self, path: Path, successor: Path, beat: float) -> None:
        """Starts to touch the file.

        Args:
            path: of this generation.
            successor: of the next one: the file of whoever took the lease away.
            beat: seconds between two touches.
        """
        self._path, self._successor, self._beat = path, successor, beat
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._touch_regularly, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()
        write_atomic(self._path, b'{"free": true}')

    def lost(self) -> bool:
        """Tells whether another worker has taken the lease, because this one was silent for too long."""
        return self._successor.exists()

    def _touch_regularly(self) -> None:
        while not self._ended.wait(self._beat):
            if self.lost():
                # It may be writing the same run already: nothing of this process may be written any more.
                print(
                    f"ferjax: error: {self._path} was not touched for long, and another worker goes on with "
                    "that run; this process ends, start it again",
                    file=sys.stderr,
                    flush=True,
                )
                os._exit(TRY_AGAIN)
            with contextlib.suppress(OSError):  # a network disk that is away for a moment
                os.utime(self._path)


def _holder(content: bytes) -> dict[str, Any]:
    """Reads who holds a lease; nobody known where the file is just being written, or is damaged."""
    try:
        holder = json.loads(content or b"{}")
    except (ValueError, RecursionError):
        return {}
    return holder if isinstance(holder, dict) else {}
