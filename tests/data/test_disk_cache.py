"""The decoded images on disk: the same bytes as the other caches, written once, whole or not at all."""

import errno
import hashlib
import os
import pickle
import resource
import shutil
import signal
import subprocess
import sys

import fer2013_copies as copies
import numpy as np
import pytest

from ferjax.data import builders, disk_cache, load
from ferjax.data.disk_cache import FOLDER, DiskSource
from ferjax.data.images import encode_png
from ferjax.data.pipeline import eval_batches, train_batches
from ferjax.data.sources import StreamSource
from ferjax.errors import UserError

ROWS = copies.rows(200, 9, 8)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("disk")
    copies.write_fer2013_csv(folder, ROWS)
    builders.build(builders.create("fer2013", folder / "data", manual_dir=folder))
    return folder / "data"


@pytest.fixture
def data(built, tmp_path):
    """A copy of the set without any cache."""
    return shutil.copytree(built, tmp_path / "data", ignore=shutil.ignore_patterns(FOLDER))


def cached(data, split="train", **options):
    return load("fer2013", split, data, cache="disk", **options)


def files(data):
    return sorted(path for path in data.glob(f"fer2013/*/{FOLDER}/*") if path.name != ".lock")


@pytest.mark.parametrize("options", [{}, {"image_size": 30}, {"image_size": 64, "channels": 3}])
@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_the_same_bytes_as_memory_and_stream(built, split, options):
    disk = cached(built, split, **options)
    others = [load("fer2013", split, built, cache=cache, **options) for cache in ("memory", "stream")]
    picks = np.random.default_rng(0).integers(0, len(disk), 30)
    for other in others:
        assert (len(disk), disk.image_shape, disk.label_names) == (
            len(other), other.image_shape, other.label_names,
        )  # fmt: skip
        assert disk.digest() == other.digest()
        np.testing.assert_array_equal(disk.labels, other.labels)
        for key, value in other.take(picks).items():
            found = disk.take(picks)[key]
            np.testing.assert_array_equal(found, value)
            assert found.dtype == value.dtype
        one, expected = disk[3], other[3]
        assert one.keys() == expected.keys()
        assert all(np.array_equal(one[key], expected[key]) for key in one)
    for index in (-1, len(disk)):
        with pytest.raises(IndexError, match="fer2013"):
            disk.take([0, index])
        with pytest.raises(IndexError):
            disk[index]


def test_batches_are_the_same(built):
    disk, memory = cached(built), load("fer2013", "train", built)
    for batches in (
        lambda source: train_batches(source, batch_size=16, seed=3),
        lambda source: eval_batches(source, batch_size=16),
    ):
        first, second = batches(disk), batches(memory)
        for _ in range(5):
            one, other = next(first), next(second)
            assert all(np.array_equal(one[key], other[key]) for key in other)
        first.close()
        second.close()
    with pytest.raises(UserError, match="decoded data needs no workers"):
        train_batches(disk, batch_size=4, seed=0, workers=1)


def test_written_once_and_then_only_read(data, monkeypatch):
    cached(data)
    (path,) = files(data)
    assert path.stat().st_size == 200 * 48 * 48 + 128
    before = path.stat().st_mtime_ns
    monkeypatch.setattr(StreamSource, "decode", None)
    again = cached(data)
    np.testing.assert_array_equal(again.take([5])["image"][0, :, :, 0], ROWS[5][1])
    assert path.stat().st_mtime_ns == before


def test_another_size_split_or_content_has_another_file(data, tmp_path):
    for options in ({}, {"image_size": 20}, {"channels": 3}, {"split": "test"}):
        cached(data, **options)
    assert len(files(data)) == 4
    folder = data / "fer2013"
    old = {path.name for path in files(data)}
    kept = shutil.copytree(next(folder.iterdir()) / FOLDER, tmp_path / "kept")
    shutil.rmtree(folder)
    changed = [(label, 255 - image, usage) for label, image, usage in ROWS]
    copies.write_fer2013_csv(tmp_path, changed)
    builders.build(builders.create("fer2013", data, manual_dir=tmp_path))
    shutil.copytree(kept, next(folder.iterdir()) / FOLDER)  # left by the set of before
    np.testing.assert_array_equal(cached(data).take([5])["image"][0, :, :, 0], changed[5][1])
    assert {path.name for path in files(data)} > old


@pytest.mark.parametrize("spoil", ["empty", "short", "long", "junk", "another shape"])
def test_a_spoilt_file_is_written_again(data, spoil):
    cached(data)
    (path,) = files(data)
    content = path.read_bytes()
    if spoil == "another shape":
        np.save(path, np.zeros((200, 48, 48, 3), np.uint8))
    else:
        spoilt = {"empty": b"", "short": content[:-5000], "junk": b"x" * 9999, "long": content}
        path.write_bytes(spoilt[spoil])
    if spoil == "long":
        with path.open("ab") as file:
            file.write(b"more")
    np.testing.assert_array_equal(cached(data).take([199])["image"][0, :, :, 0], ROWS[199][1])


def start(data, *lines):
    """A process that runs some lines and then prints two images of the training split."""
    code = [
        "import hashlib, os, signal",
        "from ferjax.data import disk_cache, load",
        *lines,
        f"images = load('fer2013', 'train', {str(data)!r}, cache='disk').take([0, 199])['image']",
        "print(hashlib.sha256(images.tobytes()).hexdigest())",
    ]
    return subprocess.Popen([sys.executable, "-c", "\n".join(code)], stdout=subprocess.PIPE, text=True)


def test_a_killed_writer_leaves_nothing_that_is_used(data):
    with start(data, "disk_cache.os.fsync = lambda file: os.kill(os.getpid(), signal.SIGKILL)") as child:
        assert child.wait(60) == -signal.SIGKILL
    assert [path.suffix for path in files(data)] == [".tmp"]
    np.testing.assert_array_equal(cached(data).take([150])["image"][0, :, :, 0], ROWS[150][1])
    assert [path.suffix for path in files(data)] == [".npy"]


def test_a_full_disk_is_told_and_leaves_nothing(data, monkeypatch):
    load("fer2013", "train", data, cache="stream").digest()  # its index is written before
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(UserError, match=r"cannot write .* fer2013 train .*File too large; make room"):
            cached(data)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not files(data)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, 1000))
        with pytest.raises(UserError, match=r"No space left on device \(0\.0 GiB are free\)"):
            cached(data)
    assert not files(data)
    assert len(cached(data)) == 200


def test_a_folder_that_may_not_be_written(data, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", "decoded")

    monkeypatch.setattr(disk_cache.Path, "mkdir", refuse)
    with pytest.raises(UserError, match=r"Permission denied; make room, or set data\.cache=stream"):
        cached(data)


def test_a_damaged_image_is_told_and_leaves_nothing(data, monkeypatch):
    read = StreamSource.read

    def spoilt(self, indices):
        records = read(self, indices)
        return [{**record, "image": encode_png(np.zeros((4, 4, 1), np.uint8))[:30]} for record in records]

    monkeypatch.setattr(StreamSource, "read", spoilt)
    with pytest.raises(UserError, match="an image of fer2013 is damaged"):
        cached(data)
    assert not files(data)


def test_processes_that_come_at_the_same_time(data):
    children = [start(data) for _ in range(2)]
    found = {child.communicate(timeout=60)[0] for child in children}
    expected = load("fer2013", "train", data).take([0, 199])["image"].tobytes()
    assert found == {hashlib.sha256(expected).hexdigest() + "\n"}
    assert len(files(data)) == 1


def test_its_pickle_is_small(built):
    disk = cached(built)
    content = pickle.dumps(disk)
    assert len(content) < 3000
    again = pickle.loads(content)
    assert isinstance(again, DiskSource)
    np.testing.assert_array_equal(again.take([7])["image"], disk.take([7])["image"])


@pytest.mark.parametrize("left", [0, 1000, 48 * 48 * 150])
def test_a_file_that_is_cut_short_while_it_is_read_is_told(data, left):
    """A mapped file would kill the process."""
    disk = cached(data)
    (path,) = files(data)
    os.truncate(path, left)
    content = pickle.dumps(disk)
    for read in (lambda: disk.take([0, 199]), lambda: disk[199], lambda: pickle.loads(content).take([199])):
        with pytest.raises(UserError) as caught:
            read()
        assert f"{path} cannot be read any more" in str(caught.value)
        assert "run the same command again" in str(caught.value)
    np.testing.assert_array_equal(cached(data).take([199])["image"][0, :, :, 0], ROWS[199][1])


def test_a_place_that_is_no_folder_is_told(data):
    (folder,) = (data / "fer2013").iterdir()
    (folder / FOLDER).write_text("mine")
    with pytest.raises(UserError, match=r"decoded: File exists; it must be a folder .* data\.cache=stream"):
        cached(data)
    assert (folder / FOLDER).read_text() == "mine"


def test_a_shard_that_is_cut_short_while_it_is_read_is_told(data):
    stream = load("fer2013", "train", data, cache="stream")
    stream.digest()
    (shard,) = (data / "fer2013").glob("*/fer2013-train.array_record*")
    content = shard.read_bytes()
    for left in (0, len(content) // 2):
        os.truncate(shard, left)
        with pytest.raises(UserError, match=r"fer2013 in .* is damaged \(a shard was cut short while"):
            stream.take([199])
    shard.write_bytes(content)
    np.testing.assert_array_equal(stream.take([199])["image"][0, :, :, 0], ROWS[199][1])
