"""The right to write a run's place in object storage, which one run at a time has.

On a disk a lock does this and ends with its process. Here an object says who writes; its owner renews it,
and one that is not renewed for a while belongs to nobody. No clocks are compared: who wants it watches it for
that while, unless its owner was a process of this machine that has ended.
"""

import json
import socket
import time
import uuid

from ferjax.errors import UserError
from ferjax.platform.living import lives, this_process
from ferjax.storage import objects
from ferjax.storage.address import Address

NAME = ".lease"
RENEWED = 15  # seconds between two renewals
LASTS = 60  # seconds without a renewal
_LOOKS = 12  # while it is watched


class Lost(UserError):
    """Another run has the lease."""


class Lease:
    """A lease on the folder of an address, held from `take` to `release`."""

    def __init__(self, folder: Address) -> None:
        self._folder, self._place = folder, folder.joined(NAME)
        self._owner = {"owner": uuid.uuid4().hex, "host": socket.gethostname(), **this_process()}
        self._renewals = 0

    def take(self) -> None:
        """Takes the lease; waits where another's has not been given back.

        Raises:
            UserError: another run has it, or the folder cannot be written.
        """
        held = self._read()
        if held and lives(held) is not False:
            self._watch(held)
        self._write()
        if not self._is_own(self._read()):  # two have taken it at the same moment
            raise self._taken(held)

    def _watch(self, held: dict) -> None:
        """Returns when the lease is not renewed any more; raises UserError if it is."""
        print(f"{self._folder} was being written by {_shown(held)}; seeing whether it still is …", flush=True)
        for _ in range(_LOOKS):
            time.sleep(LASTS / _LOOKS)
            now = self._read()
            if now is None:
                return
            if now != held:
                raise self._taken(now)

    def renew(self) -> None:
        """Says that its owner is alive.

        Raises:
            UserError: it cannot be said, or another run has taken the lease meanwhile.
        """
        held = self._read()
        if not self._is_own(held):
            raise self._taken(held)
        self._write()

    def release(self) -> None:
        """Gives the lease back, if it still is this one."""
        if self._is_own(self._read()):
            objects.remove(self._place)

    def _write(self) -> None:
        self._renewals += 1
        objects.write(self._place, json.dumps({**self._owner, "renewals": self._renewals}).encode())

    def _read(self) -> dict | None:
        try:
            content = json.loads(objects.read(self._place))
        except objects.Gone:
            return None
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}

    def _is_own(self, held: dict | None) -> bool:
        return held is not None and held.get("owner") == self._owner["owner"]

    def _taken(self, held: dict | None) -> Lost:
        by = _shown(held) if held else "another run"
        return Lost(f"{by} is writing {self._folder}; wait for it or take another --workdir")


def _shown(held: dict) -> str:
    return f"another run (process {held.get('pid', held.get('process'))} of {str(held.get('host'))[:60]})"
