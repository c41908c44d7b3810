import pytest
from object_store import ObjectStore

from ferjax.storage import copies, mirrors, objects, sets, uploads


@pytest.fixture(scope="session")
def running_store():
    server = ObjectStore()
    yield server
    server.close()


@pytest.fixture
def store(running_store, monkeypatch, tmp_path):
    """An empty bucket; this process has named no address yet, has its copies in `tmp_path` and waits for nothing."""
    for name, value in running_store.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(copies.VARIABLE, str(tmp_path / "copies"))
    monkeypatch.setattr(objects, "_FIRST_PAUSE", 1e-4)
    for name in ("_mirrors", "_shown"):
        monkeypatch.setattr(mirrors, name, {})
    monkeypatch.setattr(uploads, "_failed", {})
    monkeypatch.setattr(sets, "_open", [])
    forget()
    yield running_store
    forget()
    for key in running_store.keys():
        running_store.remove(key)
    running_store.requests.clear()


def forget():
    """Makes this process ask anew for the client, its folder and what sets it has fetched."""
    for cached in (objects.client, copies.own_folder, sets.fetched):
        cached.cache_clear()
