"""Shards are opened when they are read, and no more of them than may be."""

import resource
from concurrent.futures import ThreadPoolExecutor

import pytest
from array_record.python.array_record_module import ArrayRecordWriter

from ferjax.data import shard_readers
from ferjax.data.shard_readers import Shard, ShardReaders


@pytest.fixture
def shards(tmp_path):
    made = []
    for number in range(6):
        made.append(Shard(str(tmp_path / f"{number}.array_record"), 3))
        writer = ArrayRecordWriter(made[-1].path, "group_size:1")
        for place in range(3):
            writer.write(b"%d-%d" % (number, place))
        writer.close()
    return made


def test_no_more_are_open_than_may_be_and_all_are_read(shards):
    readers = ShardReaders(shards, most=2)
    for number in (0, 5, 3, 0, 1, 5):
        assert list(readers.read(number, [2, 0])) == [b"%d-2" % number, b"%d-0" % number]
        assert len(readers._open) <= 2
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda turn: readers.read(turn % 6, [1])[0], range(200)))
    assert read == [b"%d-1" % (turn % 6) for turn in range(200)]
    assert len(readers._open) <= 2


def test_the_first_ones_are_checked_at_once_and_others_when_they_are_read(shards, monkeypatch):
    monkeypatch.setattr(shard_readers, "CHECKED", 2)
    readers = ShardReaders([*shards[:5], shards[5]._replace(records=4)])
    assert len(readers._open) == 2
    with pytest.raises(RuntimeError, match=r"5\.array_record holds 3 records, expected 4"):
        readers.read(5, [0])
    with pytest.raises(RuntimeError, match="expected 4"):
        ShardReaders([shards[0]._replace(records=4)])


def test_more_handles_are_asked_for_where_a_set_has_many_shards(monkeypatch):
    asked = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: asked.append(limits))
    assert shard_readers._room(100) == 512
    assert asked == []
    assert shard_readers._room(1000) == 1000
    assert shard_readers._room(10_000) == 2048
    assert asked == [(2000, 4096), (4096, 4096)]
