import pytest
from object_store import first

from ferjax import files
from ferjax.errors import UserError
from ferjax.storage import lease, mirrors, objects, uploads
from ferjax.storage.lease import Lease, Lost


class Rounds:
    """Lets `_store` look a number of times, without a pause."""

    def __init__(self, count):
        self.left = count

    def wait(self, _):
        self.left -= 1
        return self.left < 0


def begun(count=3):
    """A run's copy with a new file, and what looks after it `count` times."""
    path = files.user_path("s3://bucket/runs/a")
    files.write_atomic(path / "metrics.jsonl", b"{}\n")
    mirror, name = mirrors.of(path)
    held = Lease(mirror.address_of(name))
    held.take()
    uploads._store(mirror, held, Rounds(count))
    return path


def test_a_folder_of_the_disk_is_left_alone(tmp_path):
    with uploads.uploading(tmp_path):
        uploads.check(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_stored_while_it_goes_on_and_its_lease_renewed(store, monkeypatch):
    monkeypatch.setattr(uploads, "RENEWED", 0)
    path = begun()
    assert store.get("runs/a/metrics.jsonl") == b"{}\n"
    assert b'"renewals": 4' in store.get("runs/a/.lease")
    uploads.check(path)


def test_a_store_that_cannot_be_reached_for_long_ends_the_run(store, monkeypatch):
    monkeypatch.setattr(objects, "TRIES", 2)
    monkeypatch.setattr(uploads, "_ROUNDS", 3)
    for rounds, ends in ((2, False), (3, True)):
        with store.failing(lambda method, key: "503" if key.endswith("jsonl") else None):
            path = begun(rounds)
        if ends:
            with pytest.raises(UserError, match="could not be reached after 2 tries"):
                uploads.check(path)
        else:
            uploads.check(path)
        store.remove("runs/a/.lease")


def test_a_store_that_refuses_ends_the_run_at_once(store):
    with store.failing(lambda method, key: "denied" if key.endswith("jsonl") else None):
        path = begun()
    with pytest.raises(objects.Refused):
        uploads.check(path / "checkpoints")
    assert store.requests.count("PUT runs/a/metrics.jsonl") == 1


def test_a_run_whose_place_was_taken_over_writes_nothing_more(store, monkeypatch):
    monkeypatch.setattr(uploads, "RENEWED", 0)
    path = files.user_path("s3://bucket/runs/a")

    @mirrors.stored()
    def command():
        with uploads.uploading(path):
            store.put("runs/a/.lease", b"{}")
            files.write_atomic(path / "result.json", b"{}")

    with pytest.raises(Lost):
        command()
    assert store.names() == ["runs/a/.lease"]


def test_a_second_run_is_refused_and_the_first_goes_on(store, monkeypatch):
    monkeypatch.setattr(lease, "LASTS", 0)
    store.put("runs/a/.lease", b'{"process": 1}')
    looks = iter(range(9))
    with (
        store.failing(lambda *_: (next(looks, 0) == 4 and store.put("runs/a/.lease", b"{}")) or None),
        pytest.raises(Lost, match="is writing s3://bucket/runs/a"),
        uploads.uploading(files.user_path("s3://bucket/runs/a")),
    ):
        pass
    assert store.get("runs/a/.lease") == b"{}"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError, UserError])
def test_everything_is_stored_and_the_lease_given_back_however_the_run_ends(store, error):
    path = files.user_path("s3://bucket/runs/a")

    def run():
        with uploads.uploading(path):
            files.write_atomic(path / "result.json", b"{}")
            raise error

    with store.failing(first(3, "503")), pytest.raises(error):
        run()
    assert store.names() == ["runs/a/result.json"]


def test_a_copy_that_somebody_removes_takes_no_checkpoint_with_it(store):
    names = ["runs/a/checkpoints/10/_CHECKPOINT_METADATA", "runs/a/checkpoints/10/a", "runs/a/config.json"]
    for name in names:
        store.put(name, b"1")
    path = files.user_path("s3://bucket/runs/a")
    for name in names[:2]:
        (path.parents[1] / name).unlink()
    mirror, _ = mirrors.of(path)
    mirror.push()
    assert store.names() == names
    (path / "config.json").unlink()
    for folder in (path / "checkpoints/10", path / "checkpoints", path, path.parent):
        folder.rmdir()
    with pytest.raises(UserError, match="was removed; run the same command again"):
        mirror.push()
    assert store.names() == names
