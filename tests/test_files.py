import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ferjax import files
from ferjax.errors import UserError
from ferjax.storage.address import Address


def test_values_come_back_and_nan_becomes_null(tmp_path):
    path = tmp_path / "new" / "a.json"
    files.write_json_atomic(
        path,
        {
            "nan": float("nan"),
            "inf": np.float32("inf"),
            "scalar": np.int64(3),
            "array": np.array([[1.0, np.nan]]),
            "tuple": (1, "喜び"),
            "flag": np.bool_(True),
        },
    )
    assert files.read_json(path) == {
        "nan": None,
        "inf": None,
        "scalar": 3,
        "array": [[1.0, None]],
        "tuple": [1, "喜び"],
        "flag": True,
    }


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    files.write_json_atomic(path, {"a": 1})
    with pytest.raises(TypeError):
        files.write_json_atomic(path, {"a": object()})

    def full(_):
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="disk full"):
        files.write_json_atomic(path, {"a": 2})
    assert files.read_json(path) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b'{"a": ', b"\xff\xfe", b"NOT"])
def test_corrupt_json_is_named(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.json is not valid JSON"):
        files.read_json(path)


def test_missing_and_unreadable_files_are_named(tmp_path):
    for read in (files.read_json, files.read_json_lines):
        with pytest.raises(UserError, match="does not exist"):
            read(tmp_path / "none.json")
        with pytest.raises(UserError, match="cannot be read"):
            read(tmp_path)


@pytest.mark.parametrize("tail", [b'{"step": 2, "lo', b'{"step": 2, "name": "\xe5', b""])
def test_a_last_line_cut_short_is_dropped(tmp_path, tail):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"step": 1}\n\n' + tail)
    assert files.read_json_lines(path) == [{"step": 1}]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2 is not valid JSON"),
        ("[1]", "line 2 is not a JSON object with step"),
        ('{"a": 1}', "with step"),
    ],
)
def test_another_broken_line_is_named(tmp_path, line, message):
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join([json.dumps({"step": 1}), line, ""]))
    with pytest.raises(UserError, match=message):
        files.read_json_lines(path, required=("step",))


def test_a_replaced_file_or_folder_is_whole(tmp_path):
    file, folder = tmp_path / "new" / "a.bin", tmp_path / "folder"
    folder.mkdir()
    for content in (b"old", b"new"):
        with files.replacing(file) as unfinished:
            unfinished.write_bytes(content)
            assert not file.exists() or file.read_bytes() == b"old"
    with files.replacing(folder) as unfinished:
        (unfinished / "below").mkdir(parents=True)
        assert not list(folder.iterdir())
    assert file.read_bytes() == b"new"
    assert [path.name for path in folder.iterdir()] == ["below"]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.bin", "below", "folder", "new"]


def test_a_block_that_raises_or_writes_nothing_changes_nothing(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with files.replacing(path):
        pass

    def stop_half_way(path, write):
        with files.replacing(path) as unfinished:
            write(unfinished)
            raise ValueError("half-way")

    with pytest.raises(ValueError, match="half-way"):
        stop_half_way(path, lambda unfinished: unfinished.write_bytes(b"new"))
    with pytest.raises(ValueError, match="half-way"):
        stop_half_way(tmp_path / "folder", lambda unfinished: (unfinished / "below").mkdir(parents=True))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_of_one_path_do_not_meet(tmp_path):
    path = tmp_path / "a"
    with files.replacing(path) as first, files.replacing(path) as second:
        first.write_bytes(b"first")
        second.write_bytes(b"second")
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "1.0 GiB are free"), os.strerror(errno.ENOSPC)),
        (PermissionError(errno.EACCES, "Permission denied"), os.strerror(errno.EACCES)),
        (RuntimeError(f"INTERNAL: {os.strerror(errno.EROFS)}; writing a"), os.strerror(errno.EROFS)),
        (FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)), None),
        (ValueError("a bug"), None),
    ],
)
def test_disk_trouble_is_told_from_other_errors(error, words):
    assert files.disk_trouble(error) == words
    assert files.disk_trouble(error, (errno.EEXIST,)) == (
        os.strerror(errno.EEXIST) if isinstance(error, FileExistsError) else None
    )


def test_a_users_path_is_expanded(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert files.user_path("~/runs/a") == tmp_path / "runs" / "a"
    assert files.user_path("~") == tmp_path
    for same in ("a", "a~", "/x/~/y", "a:b/c", "C:/x", str(tmp_path)):
        assert files.user_path(same) == Path(same)
    assert files.user_path(tmp_path) == tmp_path


@pytest.mark.parametrize(
    "address",
    ["hdfs://host/run", "s3://b", "http://host/x", "HTTPS://h", "file:///x", "gs:/bucket/run", "a+b://c"],
)
@pytest.mark.parametrize("read", [files.user_path, files.place])
def test_an_address_outside_of_object_storage_is_no_path(address, read):
    with pytest.raises(UserError, match=r"of a kind that cannot be used|names no bucket"):
        read(address)


def test_a_place_in_object_storage_is_read_and_not_fetched():
    assert files.place("s3://nowhere/runs/") == Address("s3", "nowhere", "runs")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("l" * 300, "File name too long"),
        ("l/" * 5000, "File name too long"),
        ("a\0b", "null"),
        ("LINK", "Too many levels of symbolic links"),
        ("LINK/a", "Too many levels of symbolic links"),
        ("~nobody-of-that-name/x", "names the home of an unknown user"),
    ],
)
def test_names_that_cannot_be_paths_are_one_short_line(tmp_path, name, message):
    (tmp_path / "link").symlink_to("link")
    with pytest.raises(UserError, match=message) as caught:
        files.user_path(name.replace("LINK", str(tmp_path / "link")))
    assert len(str(caught.value)) <= 400
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("read", [files.read_json, files.read_json_lines])
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_pipe_or_a_device_is_told_and_not_waited_for(tmp_path, read, kind):
    path = tmp_path / "a.json"
    os.mkfifo(path) if kind == "pipe" else path.symlink_to("/dev/zero")
    with pytest.raises(UserError, match=r"a\.json cannot be read: it is a pipe or a device"):
        read(path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_nothing_unfinished(tmp_path, number):
    program = """if True:
        import os, signal, sys
        from ferjax import files
        with files.replacing(sys.argv[1]) as folder:
            folder.mkdir()
            (folder / "part").write_text("a")
            os.kill(os.getpid(), int(sys.argv[2]))
            signal.pause()
    """
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "out", str(int(number))], capture_output=True, check=False
    )
    assert done.returncode == (128 + number if number == signal.SIGTERM else -number)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("before", [signal.SIG_DFL, signal.SIG_IGN])
def test_the_way_of_sigterm_is_as_it_was_after_a_write(tmp_path, before):
    """A process that handles the signal otherwise keeps its own way inside, too."""
    own = signal.signal(signal.SIGTERM, before)
    try:
        with files.replacing(tmp_path / "out") as unfinished:
            assert (signal.getsignal(signal.SIGTERM) is before) == (before is signal.SIG_IGN)
            unfinished.write_text("a")
        assert signal.getsignal(signal.SIGTERM) is before
    finally:
        signal.signal(signal.SIGTERM, own)
