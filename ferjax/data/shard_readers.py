"""The open shards of a split: opened when they are first read, and never more than the system allows."""

import resource
import threading
from collections.abc import Sequence
from typing import NamedTuple

from array_record.python.array_record_module import ArrayRecordReader

# Shards that are opened, and so checked, at once: damage of a set of a million images shows before training.
CHECKED = 256
# Of the files that this process may open, the part that shards may take.
_SHARE = 0.5


class Shard(NamedTuple):
    """A file of a split.

    Attributes:
        path: of the ArrayRecord file.
        records: that it must hold.
    """

    path: str
    records: int


class ShardReaders:
    """Opens shards as they are read. Safe to use from several threads.

    An open shard takes a file handle and about 100 kB, so a set of many shards takes neither at once; when as
    many are open as may be, the one that was opened first is closed.

    Args:
        shards: of the split.
        most: how many may be open; as many as the system's limit on open files allows if left out.

    Raises:
        RuntimeError: one of the first `CHECKED` is missing, damaged, or holds another number of records.
    """

    def __init__(self, shards: Sequence[Shard], most: int | None = None) -> None:
        self._shards = shards
        self._most = most or _room(len(shards))
        self._open: dict[int, ArrayRecordReader] = {}
        self._changing = threading.Lock()
        for number in range(min(len(shards), CHECKED, self._most)):
            self._reader(number)

    def read(self, number: int, places: list[int]) -> Sequence[bytes]:
        """Reads records of a shard.

        Args:
            number: of the shard, from 0.
            places: of the records in it.

        Raises:
            RuntimeError: the shard is missing or damaged.
        """
        return self._reader(number).read(places)

    def _reader(self, number: int) -> ArrayRecordReader:
        reader = self._open.get(number)
        if reader is None:
            reader = _opened(self._shards[number])
            with self._changing:
                while len(self._open) >= self._most:
                    # A thread that reads from it keeps it open until it is done.
                    del self._open[next(iter(self._open))]
                self._open[number] = reader
        return reader


def _opened(shard: Shard) -> ArrayRecordReader:
    # No read-ahead: records are read one by one, in any order.
    reader = ArrayRecordReader(shard.path, "readahead_buffer_size:0", file_reader_buffer_size=2**15)
    if reader.num_records() != shard.records:
        raise RuntimeError(f"{shard.path} holds {reader.num_records()} records, expected {shard.records}")
    return reader


def _room(shards: int) -> int:
    """Returns how many shards may be open; asks the system for more handles where they are needed."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if now == resource.RLIM_INFINITY:
        return shards
    wanted = int(shards / _SHARE)
    if now < wanted:
        now = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (now, most))
    return max(int(now * _SHARE), 1)
