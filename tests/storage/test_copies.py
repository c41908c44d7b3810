import os

import pytest
from object_store import forget

from ferjax import files
from ferjax.errors import UserError
from ferjax.storage import copies, mirrors


def test_the_copies_of_killed_processes_go_and_those_that_are_open_or_kept_stay(store, tmp_path):
    first = copies.own_folder()
    forget()
    second = copies.own_folder()
    assert first.exists()
    killed, kept = first.with_name("1-killed"), first.with_name("1-kept")
    for folder in (killed, kept):
        folder.mkdir()
    (killed / "in-use").touch()
    forget()
    third = copies.own_folder()
    assert {path.name for path in (tmp_path / "copies" / "copies").iterdir()} == {
        ".lock", kept.name, first.name, second.name, third.name,
    }  # fmt: skip
    copies._remove(third, (third / "in-use").open(), os.getpid() + 1)  # a fork of the owner
    assert third.exists()
    copies._remove(third, (third / "in-use").open(), os.getpid())
    assert not third.exists()


def test_a_place_that_cannot_be_made_is_told(store, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv(copies.VARIABLE, str(tmp_path / "file" / "x"))
    with pytest.raises(UserError, match="name another in FERJAX_STORAGE_DIR"):
        files.user_path("s3://bucket/runs/a")


def test_a_users_address_is_a_copy_that_is_stored_at_the_end(store):
    store.put("runs/a/config.json", b"{}")
    with mirrors.stored():
        path = files.user_path("s3://bucket/runs/a/")
        assert path == files.user_path("s3://bucket//runs/a")
        assert path.parts[-3:] == ("bucket", "runs", "a")
        assert files.user_path(path) == path
        files.write_json_atomic(path / "report" / "x.json", [1])
        assert mirrors.shown(f"{path}/x") == "s3://bucket/runs/a/x"
    assert store.get("runs/a/report/x.json") == b"[\n  1\n]\n"
    assert mirrors.of(path / "report")[1] == "a/report"
    assert mirrors.of(path.parents[2]) is None


def test_what_cannot_be_stored_stays_here_and_is_told(store):
    path = files.user_path("s3://bucket/runs/a")
    path.mkdir()
    (path / "x").write_bytes(b"1")
    with (
        store.failing(lambda method, _: "denied" if method == "PUT" else None),
        pytest.raises(UserError, match="access is denied") as caught,
        mirrors.stored(),
    ):
        pass
    kept = mirrors.shown(str(caught.value)).rpartition("what was not stored stays in ")[2]
    assert os.listdir(kept) == ["a"]
    copies._remove(copies.own_folder(), open(path / "x"), os.getpid())  # noqa: SIM115
    assert (path / "x").exists()


def test_what_a_failed_command_has_written_is_stored_too(store):
    path = files.user_path("s3://bucket/runs/a")

    @mirrors.stored()
    def command():
        files.write_atomic(path / "x", b"1")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        command()
    assert store.names() == ["runs/a/x"]
