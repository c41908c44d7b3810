import pytest
from object_store import BUCKET, first

from ferjax.errors import UserError
from ferjax.storage import objects
from ferjax.storage.address import Address

PLACE = Address("s3", BUCKET, "runs/a")


def test_objects_are_written_listed_read_and_removed(store, tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    objects.upload(tmp_path / "file", PLACE.joined("b/c"))
    objects.write(PLACE.joined("d"), b"67")
    store.put("runs/another", b"")
    store.put("runs/a/folder/", b"")
    assert store.names("runs/a/") == ["runs/a/b/c", "runs/a/d", "runs/a/folder/"]
    found = objects.listing(PLACE)
    assert {name: entry.size for name, entry in found.items()} == {"b/c": 5, "d": 2}
    assert {name: entry.size for name, entry in objects.listing(PLACE.joined("d")).items()} == {"": 2}
    objects.write(PLACE.joined("d"), b"68")
    assert objects.listing(PLACE)["d"].tag != found["d"].tag
    assert objects.read(PLACE.joined("d")) == b"68"
    objects.download(PLACE.joined("b/c"), tmp_path / "x" / "y", 5)
    assert (tmp_path / "x" / "y").read_bytes() == b"12345"
    for _ in range(2):
        objects.remove(PLACE.joined("d"))
    assert list(objects.listing(PLACE)) == ["b/c"]


@pytest.mark.parametrize("happens", ["503", "reset", "cut"])
def test_a_request_that_fails_now_and_then_is_made_again(store, tmp_path, happens):
    content = bytes(range(256)) * 1000
    with store.failing(first(objects.TRIES - 1, happens, "PUT") if happens != "cut" else first(0, "")):
        objects.write(PLACE, content)
    assert store.get("runs/a") == content
    with store.failing(first(objects.TRIES - 1, happens, "GET")):
        objects.download(PLACE, tmp_path / "file", len(content))
    assert (tmp_path / "file").read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_server_that_says_nothing_is_left_and_asked_again(store, monkeypatch):
    monkeypatch.setattr(objects, "_SILENCE", 1)
    with store.failing(first(2, "silent", "PUT")):
        objects.write(PLACE, b"1")
    assert store.get("runs/a") == b"1"
    assert store.requests == ["PUT runs/a"] * 3


@pytest.mark.parametrize(("happens", "most"), [("503", 1), ("reset", 2)])  # aiohttp makes lost ones again
def test_tries_have_a_bound(store, happens, most):
    with (
        store.failing(lambda *_: happens),
        pytest.raises(
            UserError, match=rf"s3://bucket/runs/a could not be reached after {objects.TRIES} tries"
        ),
    ):
        objects.write(PLACE, b"1")
    assert set(store.requests) == {"PUT runs/a"}
    assert objects.TRIES <= len(store.requests) <= most * objects.TRIES


def test_what_no_try_would_mend_is_tried_once(store, tmp_path):
    with store.failing(lambda *_: "denied"), pytest.raises(objects.Refused, match="access is denied"):
        objects.write(PLACE, b"1")
    with pytest.raises(objects.Gone, match="s3://bucket/runs/a does not exist"):
        objects.download(PLACE, tmp_path / "file", 1)
    assert store.requests == ["PUT runs/a", "GET runs/a"]
    for request in (objects.listing, lambda place: objects.write(place, b"1")):
        with pytest.raises(objects.Gone, match="there is no bucket nowhere; make it, or name another"):
            request(PLACE._replace(bucket="nowhere"))


def test_a_file_that_has_gone_is_not_taken_for_a_missing_bucket(store, tmp_path):
    with pytest.raises(FileNotFoundError):
        objects.upload(tmp_path / "none", PLACE)


def test_without_credentials_the_line_says_so(store, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setattr("s3fs.S3FileSystem.cachable", False)  # of earlier tests, with credentials
    with pytest.raises(objects.Refused, match="cannot be used without credentials"):
        objects.listing(PLACE)
    assert not store.requests


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    objects.client.cache_clear()
    for scheme, package, extra in (("s3", "s3fs", "s3"), ("gs", "gcsfs", "gcs")):
        monkeypatch.setitem(__import__("sys").modules, package, None)
        with pytest.raises(
            UserError, match=rf"{scheme}:// needs the package {package}: pip install 'ferjax\[{extra}\]'"
        ):
            objects.client(scheme)
