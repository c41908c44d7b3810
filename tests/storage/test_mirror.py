import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from object_store import BUCKET, after

from ferjax.errors import UserError
from ferjax.storage import objects
from ferjax.storage.address import Address
from ferjax.storage.mirror import Mirror, broken, sweep

RUN = Address("s3", BUCKET, "runs/a")
END = "_CHECKPOINT_METADATA"
_numbers = itertools.count()


def copied(folder, address=RUN):
    """A new copy of what lies in the store."""
    root = folder / f"copy-{next(_numbers)}"
    root.mkdir()
    mirror = Mirror(address, root)
    mirror.pull()
    return mirror


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def written(mirror, **files):
    for name, content in files.items():
        path = mirror.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return mirror


def checkpoint(step, content=b"1"):
    return {f"checkpoints/{step}/{name}": content for name in (END, "state/a", "state/d/b", "meta/c")}


def test_what_is_stored_is_fetched_byte_by_byte_and_only_once(store, tmp_path):
    files = {"config.json": b"{}", "empty": b"", "deep/er/é b": bytes(range(256)), **checkpoint(10)}
    mirror = written(copied(tmp_path), **files)
    mirror.push()
    assert contents(copied(tmp_path).path) == files
    store.requests.clear()
    mirror.push()
    assert store.requests == []
    mirror.pull()
    assert [request.split()[0] for request in store.requests] == ["GET"]  # the listing
    written(mirror, empty=b"more")
    (mirror.path / "config.json").unlink()
    mirror.push()
    del files["config.json"]
    assert contents(copied(tmp_path).path) == files | {"empty": b"more"}


def test_a_file_takes_the_place_of_an_empty_folder_of_its_name_and_not_of_one_with_files(store, tmp_path):
    one, other, third = copied(tmp_path), copied(tmp_path), copied(tmp_path)
    written(one, **{"b/c/d": b"1"}).push()
    other.pull()
    (other.path / "b/c/d").unlink()
    for folder in ("b/c", "b"):
        (other.path / folder).rmdir()
    written(other, b=b"2").push()
    one.pull()
    assert contents(one.path) == {"b": b"2"}
    written(third, **{"b/mine": b"3"})  # not in the store
    with pytest.raises(OSError, match=r"not empty|Not a directory"):
        third.pull()
    assert (third.path / "b/mine").read_bytes() == b"3"


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b", "b/c", "b/d", "e/f"]), st.none() | st.binary(max_size=20)),
        max_size=12,
    )
)
def test_any_changes_on_two_machines_in_turn_are_as_on_one_disk(store, tmp_path, changes):
    mirrors = [copied(tmp_path, RUN.joined(f"run-{next(_numbers)}"))]
    mirrors.append(copied(tmp_path, mirrors[0].address))
    disk = {}
    for (name, content), mirror in zip(changes, itertools.cycle(mirrors)):
        if content is None or any(f"{name}/" in f"{other}/" and name != other for other in disk):
            if name not in disk:
                continue
            mirror.pull()
            (mirror.path / name).unlink()
            disk.pop(name)
        elif not any(f"{name}/".startswith(f"{other}/") and name != other for other in disk):
            mirror.pull()
            for folder in sorted((mirror.path / name).glob("**"), reverse=True):
                folder.rmdir()  # an empty one, which a store does not know
            written(mirror, **{name: content})
            disk[name] = content
        mirror.push()
    assert contents(copied(tmp_path, mirrors[0].address).path) == disk


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_the_old_run_or_the_new_whole(store, tmp_path):
    """The store refuses everything from the n-th write on, for every n."""
    before = {"metrics.jsonl": b"1\n", **checkpoint(10)}
    written(copied(tmp_path), **before).push()
    allowed = (
        [before],
        [{"metrics.jsonl": b"1\n2\n", **checkpoint(10), **other} for other in ({}, checkpoint(20, b"2"))],
        [
            {"metrics.jsonl": b"1\n2\n", **checkpoint(20, b"2"), "result.json": b"{}", **old}
            for old in (checkpoint(10), {})
        ],
    )
    seen = set()
    for count in range(30):
        mirror = copied(tmp_path)
        for path in sorted(mirror.path.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        written(mirror, **{"metrics.jsonl": b"1\n2\n", "result.json": b"{}"}, **checkpoint(20, b"2"))
        with store.failing(after(count, "denied")):
            try:
                mirror.push()
                ended = True
            except UserError:
                ended = False
        found = contents(copied(tmp_path).path)
        assert any(found == state for states in allowed for state in states), (count, found.keys())
        seen.add(tuple(sorted(found)))
        if ended:
            break
        for key in store.names():
            store.remove(key)
        for name, content in before.items():
            store.put(f"runs/a/{name}", content)
    assert found == allowed[-1][-1]
    assert len(seen) >= 4


def test_half_a_checkpoint_is_not_fetched_and_can_be_swept(store, tmp_path):
    written(copied(tmp_path), **checkpoint(10), **checkpoint(20)).push()
    store.remove(f"runs/a/checkpoints/20/{END}")
    store.put("runs/a/checkpoints/30.bak/a", b"")
    assert sorted(contents(copied(tmp_path).path)) == sorted([*checkpoint(10), "checkpoints/30.bak/a"])
    sweep(RUN)
    assert store.names() == sorted(f"runs/a/{name}" for name in [*checkpoint(10), "checkpoints/30.bak/a"])
    assert broken(["checkpoints/7/a", "x/checkpoints/8/b"]) == ["checkpoints/7/a", "x/checkpoints/8/b"]


def test_a_checkpoint_that_goes_while_it_is_stored_is_not_ended(store, tmp_path):
    mirror = written(copied(tmp_path), **checkpoint(10))

    def removes(method, key):
        if method == "PUT":
            (mirror.path / "checkpoints/10/state/a").unlink(missing_ok=True)
            (mirror.path / "checkpoints/10/state/d/b").unlink(missing_ok=True)
            (mirror.path / "checkpoints/10/meta/c").unlink(missing_ok=True)

    objects_at_once, objects.at_once = objects.at_once, lambda work, items: [work(item) for item in items]
    try:
        with store.failing(removes):
            mirror.push()
    finally:
        objects.at_once = objects_at_once
    assert f"runs/a/checkpoints/10/{END}" not in store.names()


def test_locks_and_unfinished_files_stay_here(store, tmp_path):
    names = [
        ".lock",
        ".lease",
        ".a.json.12.tmp",
        ".b.12.tmp/c",
        "checkpoints/10.orbax-checkpoint-tmp/a",
        ".c.part",
    ]
    written(copied(tmp_path), **dict.fromkeys(names, b"1"), **{".kept": b"1", "a.tmp": b"1"}).push()
    assert store.names() == ["runs/a/.kept", "runs/a/a.tmp"]


def test_what_lies_beside_is_stored_beside(store, tmp_path):
    mirror = copied(tmp_path)
    (mirror.root / "a-against").mkdir()
    (mirror.root / "a-against" / "x").write_bytes(b"1")
    mirror.push()
    assert store.names() == ["runs/a-against/x"]
    store.put("runs/a-against/y", b"2")
    mirror.pull("a-against")
    assert contents(mirror.root) == {"a-against/x": b"1", "a-against/y": b"2"}


def test_one_object_is_one_file(store, tmp_path):
    store.put("sets/relabel.csv", b"a,b")
    mirror = copied(tmp_path, Address("s3", BUCKET, "sets/relabel.csv"))
    assert mirror.path.read_bytes() == b"a,b"
    mirror.path.write_bytes(b"c")
    mirror.push()
    assert store.get("sets/relabel.csv") == b"c"


@pytest.mark.parametrize("keys", [["../x"], ["a/../../x"], ["a//b"], ["a", "a/b"]])
def test_keys_that_are_no_names_of_files_are_refused(store, tmp_path, keys):
    for key in keys:
        store.put(f"runs/a/{key}".rstrip("/"), b"1")
    with pytest.raises(UserError, match=r"no file can have the name|is an object and a folder"):
        copied(tmp_path)
    assert contents(tmp_path) == {}


def test_a_run_that_changes_while_it_is_fetched_is_looked_at_again(store, tmp_path):
    written(copied(tmp_path), **checkpoint(10), **checkpoint(20)).push()

    def removes(method, key):
        if key.endswith("10/state/a"):
            for name in checkpoint(10):
                store.remove(f"runs/a/{name}")

    with store.failing(removes):
        assert contents(copied(tmp_path).path) == checkpoint(20)


def test_metrics_that_grow_while_they_are_fetched_are_fetched_whole(store, tmp_path):
    store.put("runs/a/metrics.jsonl", b"1\n")
    grows = iter([b"1\n2\n"])

    def grow(method, key):
        if key.endswith("jsonl") and (content := next(grows, None)):
            store.put(key, content)

    with store.failing(grow):
        assert contents(copied(tmp_path).path) == {"metrics.jsonl": b"1\n2\n"}


def test_a_run_that_never_holds_still_is_given_up(store, tmp_path):
    store.put("runs/a/0", b"1")

    def replaces(method, key):
        if key:
            store.remove(key)
            store.put(f"runs/a/{int(key.rpartition('/')[2]) + 1}", b"1")

    with (
        store.failing(replaces),
        pytest.raises(UserError, match="s3://bucket/runs/a changes while it is read"),
    ):
        copied(tmp_path)


def test_a_disk_without_room_is_told_before_anything_is_fetched(store, tmp_path, monkeypatch):
    store.put("runs/a/x", b"1" * 100)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("", (), {"free": 99}))
    with pytest.raises(
        UserError, match=r"has 0.0 GiB left; make room, or name a larger disk in FERJAX_STORAGE_DIR"
    ):
        copied(tmp_path)
    assert [request.split()[1:] for request in store.requests] == [[]]
