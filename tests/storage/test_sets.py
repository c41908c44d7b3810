import fcntl
import os

import pytest
from object_store import BUCKET, forget

from ferjax.data import builders
from ferjax.errors import UserError
from ferjax.storage import copies, mirrors, sets
from ferjax.storage.address import Address

ROOT = Address("s3", BUCKET, "sets")


def put(store, name, content=b"1" * 1000):
    store.put(f"sets/{name}/1.0.0/a.array_record", content)
    store.put(f"sets/{name}/1.0.0/dataset_info.json", b"{}")


def another_process(monkeypatch, ends=False):
    """What is asked next is asked as by another process; the sets of the one before stay open or not."""
    if ends:
        for lock in sets._open:
            lock.close()
    monkeypatch.setattr(sets, "_open", [])
    forget()


def fetches(store):
    return [request for request in store.requests if request.endswith("array_record")]


def test_a_set_is_fetched_once_a_host_and_anew_when_it_changes(store, monkeypatch):
    put(store, "a")
    folder = sets.fetched(ROOT, ("a", "1.0.0"))
    assert folder.parts[-2:] == ("a", "1.0.0")
    assert (folder / "a.array_record").read_bytes() == b"1" * 1000
    assert mirrors.shown(f"see {folder}") == "see s3://bucket/sets/a/1.0.0"
    another_process(monkeypatch)
    assert sets.fetched(ROOT, ("a", "1.0.0")) == folder
    assert len(fetches(store)) == 1
    put(store, "a", b"2" * 1000)
    assert sets.fetched(ROOT, ("a", "1.0.0")) == folder
    another_process(monkeypatch)
    anew = sets.fetched(ROOT, ("a", "1.0.0"))
    assert (anew / "a.array_record").read_bytes() == b"2" * 1000
    assert (folder / "a.array_record").read_bytes() == b"1" * 1000


def test_the_catalogue_finds_sets_in_the_store(store):
    store.put("sets/toons/avataaars/1.0.0/x", b"1")
    version = builders.builder_class("toons/avataaars").VERSION
    store.put(f"sets/toons/avataaars/{version}/x", b"1")
    folder = builders.folder("toons/avataaars", "s3://bucket/sets")
    assert (folder / "x").read_bytes() == b"1"
    assert not builders.folder("fer2013", "s3://bucket/sets").exists()
    with pytest.raises(UserError, match="are built on a disk and not in s3://bucket/sets"):
        builders.create("fer2013", "s3://bucket/sets")


def test_what_was_opened_longest_ago_and_is_not_open_makes_room(store, monkeypatch):
    monkeypatch.setenv(sets.VARIABLE, str(2500 / 2**30))
    folders = []
    for time, name in enumerate("abc"):
        put(store, name)
        another_process(monkeypatch, ends=True)
        folders.append(sets.fetched(ROOT, (name, "1.0.0")))
        lock = folders[-1].parents[1].with_name(folders[-1].parents[1].name + ".lock")
        os.utime(lock, (time, time))
    assert [folder.exists() for folder in folders] == [False, True, True]
    assert sets._open
    with (copies.base() / "sets" / f"{folders[1].parents[1].name}.lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        another_process(monkeypatch)
        with pytest.raises(UserError, match="does not fit beside those that runs have open"):
            sets.fetched(ROOT, ("a", "1.0.0"))
    assert all(folder.exists() for folder in folders[1:])


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        (str(999 / 2**30), "a data set of 0.00 GiB does not fit into"),
        ("nothing", "FERJAX_STORAGE_GIB=nothing is no number of GiB above 0"),
        ("-1", "is no number"),
        ("inf", "is no number"),
    ],
)
def test_a_set_beyond_the_limit_is_not_fetched(store, monkeypatch, limit, message):
    monkeypatch.setenv(sets.VARIABLE, limit)
    put(store, "a")
    with pytest.raises(UserError, match=message):
        sets.fetched(ROOT, ("a", "1.0.0"))
    assert not fetches(store)


def test_a_set_that_disappears_in_the_middle_is_told_and_leaves_nothing(store):
    put(store, "a")

    def removes(method, key):
        if key.endswith("array_record"):
            store.remove(key)

    with (
        store.failing(removes),
        pytest.raises(
            UserError, match=r"the data set s3://bucket/sets/a/1.0.0 has changed while it was fetched"
        ),
    ):
        sets.fetched(ROOT, ("a", "1.0.0"))
    assert not [path for path in (copies.base() / "sets").iterdir() if path.is_dir()]


def test_what_a_killed_fetch_left_is_removed(store):
    put(store, "a")
    left = copies.base() / "sets" / ".x.y.part"
    left.mkdir(parents=True)
    sets.fetched(ROOT, ("a", "1.0.0"))
    assert not left.exists()
