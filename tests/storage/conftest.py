import pytest
from object_store import ObjectStore, forget

from ferjax.storage import copies, mirrors, objects, sets, uploads


@pytest.fixture(scope="session")
def running_store():
    server = ObjectStore()
    yield server
    server.close()


@pytest.fixture
def store(running_store, monkeypatch, tmp_path):
    """An empty bucket; this process has named no address yet, and has its copies in `tmp_path`."""
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
    for key in running_store.names():
        running_store.remove(key)
    running_store.requests.clear()
