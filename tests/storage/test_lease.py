import json

import pytest
from object_store import BUCKET

from ferjax.platform.living import this_process
from ferjax.storage import lease, objects
from ferjax.storage.address import Address
from ferjax.storage.lease import Lease, Lost

RUN = Address("s3", BUCKET, "runs/a")


@pytest.fixture(autouse=True)
def in_no_time(monkeypatch):
    monkeypatch.setattr(lease, "LASTS", 0)


def held_by(store, **owner):
    store.put("runs/a/.lease", json.dumps({"owner": "x", "host": "elsewhere", "pid": 1, **owner}).encode())


def test_it_is_taken_renewed_and_given_back(store):
    own = Lease(RUN)
    own.take()
    before = store.get("runs/a/.lease")
    own.renew()
    assert store.get("runs/a/.lease") != before
    own.release()
    assert store.names() == []


def test_one_that_is_renewed_belongs_to_another_run(store, capsys):
    held_by(store, renewals=1)
    looks = iter(range(100))
    with (
        store.failing(lambda method, key: (next(looks) == 2 and held_by(store, renewals=2)) or None),
        pytest.raises(
            Lost, match=r"another run \(process 1 of elsewhere\) is writing s3://bucket/runs/a; wait"
        ),
    ):
        Lease(RUN).take()
    assert "seeing whether it still is" in capsys.readouterr().out
    assert json.loads(store.get("runs/a/.lease"))["renewals"] == 2


@pytest.mark.parametrize("happens", ["nothing", "given back", "damaged"])
def test_one_that_is_not_renewed_belongs_to_nobody(store, happens):
    held_by(store)
    if happens == "damaged":
        store.put("runs/a/.lease", b"[")
    looks = iter(range(100))
    with store.failing(
        lambda *_: happens == "given back" and next(looks) == 2 and store.remove("runs/a/.lease")
    ):
        own = Lease(RUN)
        own.take()
    own.renew()


def test_that_of_a_process_of_this_machine_that_has_ended_is_not_waited_for(store, capsys):
    """Its number may belong to another process by now, here to this one."""
    held_by(store, **this_process() | {"started": "1"})
    Lease(RUN).take()
    assert capsys.readouterr().out == ""


def test_that_of_an_earlier_version_is_waited_for(store, capsys):
    owner = {"owner": "x", "host": "elsewhere", "process": 7, "boot": "b"}
    store.put("runs/a/.lease", json.dumps(owner).encode())
    Lease(RUN).take()
    assert "another run (process 7 of elsewhere)" in capsys.readouterr().out


def test_a_lease_that_was_taken_over_is_neither_renewed_nor_given_back(store):
    own = Lease(RUN)
    own.take()
    held_by(store)
    with pytest.raises(Lost):
        own.renew()
    own.release()
    assert json.loads(store.get("runs/a/.lease"))["owner"] == "x"


def test_of_two_that_take_it_at_once_one_has_it(store):
    with (
        store.failing(
            lambda method, key: (
                (method == "GET" and store.requests.count("PUT runs/a/.lease") and held_by(store)) or None
            )
        ),
        pytest.raises(Lost),
    ):
        Lease(RUN).take()


def test_a_folder_that_cannot_be_written_is_told_at_once(store):
    with (
        store.failing(lambda method, _: "denied" if method == "PUT" else None),
        pytest.raises(objects.Refused),
    ):
        Lease(RUN).take()
