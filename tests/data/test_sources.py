import json
import os
import pickle
from typing import ClassVar

import fer2013_copies as copies
import grouped_set
import numpy as np
import pytest
import tensorflow_datasets as tfds
from hypothesis import given, settings
from hypothesis import strategies as st

from ferjax.data import builders, load, loading, memory_source
from ferjax.data.builders import base, shards
from ferjax.data.images import decode, encode_png
from ferjax.data.labels import FER7
from ferjax.data.memory_source import MemorySource
from ferjax.data.records import Records
from ferjax.errors import UserError

ROWS = copies.rows(40, 9, 8)


def build(manual, data):
    builders.build(builders.create("fer2013", data, manual_dir=manual))
    return data


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """FER2013 in several shards."""
    folder = tmp_path_factory.mktemp("sources")
    copies.write_fer2013_csv(folder, ROWS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "SHARD_EXAMPLES", 9)
        return build(folder, folder / "data")


@pytest.fixture
def folders_data(tmp_path):
    """FER2013 from image folders: without a validation split."""
    content = {"train": {name: copies.faces(10, seed) for seed, name in enumerate(FER7)}}
    copies.write_folders(tmp_path, content | {"test": {"happy": copies.faces(2)}})
    loading._logged.clear()
    return build(tmp_path, tmp_path / "data")


@pytest.mark.parametrize("cache", ["memory", "stream"])
def test_a_source_gives_what_was_stored(data, cache):
    source = load("fer2013", "train", data, cache=cache)
    assert (source.name, source.split, source.label_names) == ("fer2013", "train", FER7)
    assert (len(source), source.image_shape) == (40, (48, 48, 1))
    assert source.labels.dtype == np.int32
    assert source.labels.tolist() == [label for label, _, _ in ROWS[:40]]
    example = source[7]
    assert example["image"].dtype == np.uint8
    np.testing.assert_array_equal(example["image"][:, :, 0], ROWS[7][1])
    assert isinstance(example["label"], np.int32)
    assert (example["label"], example["id"]) == (0, "fer2013.csv:9")
    batch = source.take([39, 0, 39])
    assert (batch["image"].dtype, batch["label"].dtype) == (np.uint8, np.int32)
    np.testing.assert_array_equal(batch["image"][..., 0], [ROWS[i][1] for i in (39, 0, 39)])
    assert batch["label"].tolist() == [39 % 7, 0, 39 % 7]
    assert source.take([])["image"].shape == (0, 48, 48, 1)
    assert sum(1 for _ in source) == 40


@pytest.mark.parametrize("cache", ["memory", "stream"])
@pytest.mark.parametrize("index", [-1, 40, 10**9])
def test_indices_out_of_range(data, cache, index):
    source = load("fer2013", "train", data, cache=cache)
    with pytest.raises(IndexError, match=r"fer2013 train holds the examples 0 … 39"):
        source.take([0, index])
    with pytest.raises(IndexError):
        source[index]


@given(
    split=st.sampled_from(["train", "validation", "test"]),
    size=st.none() | st.integers(1, 100),
    channels=st.sampled_from([None, 1, 3]),
    picks=st.lists(st.integers(0, 7), max_size=12),
)
@settings(deadline=None, max_examples=25)
def test_memory_and_stream_are_the_same_bytes(data, split, size, channels, picks):
    options = {"image_size": size, "channels": channels}
    memory = load("fer2013", split, data, **options)
    stream = load("fer2013", split, data, cache="stream", **options)
    assert memory.image_shape == stream.image_shape == (size or 48, size or 48, channels or 1)
    for key, value in memory.take(picks).items():
        np.testing.assert_array_equal(value, stream.take(picks)[key])
    np.testing.assert_array_equal(memory.labels, stream.labels)
    assert memory.digest() == stream.digest()
    for i in picks[:2]:
        one, other = memory[i], stream[i]
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[key], other[key]) for key in one)


def test_resizing_is_antialiased():
    stripes = np.zeros((48, 48, 1), np.uint8)
    stripes[:, ::2] = 255
    small = decode(encode_png(stripes), 12)
    # Plain bilinear sampling would pick single columns; an antialiased filter averages them.
    assert small.shape == (12, 12, 1)
    assert np.all(np.abs(small.astype(int) - 127) < 16)


def test_digest_tells_data_apart(tmp_path, data):
    rows = [*ROWS]
    rows[3] = ((rows[3][0] + 1) % 7, *rows[3][1:])
    copies.write_fer2013_csv(tmp_path, rows)
    build(tmp_path, tmp_path / "data")
    digests = {
        load("fer2013", split, folder).digest()
        for folder in (data, tmp_path / "data")
        for split in ("train", "test")
    }
    assert len(digests) == 3  # the test splits are the same


def test_digest_of_arrays():
    images, labels = copies.faces(2)[..., None], [1, 2]
    sources = [
        MemorySource(images, labels, label_names=FER7, name="mine", split=split)
        for split in ("train", "test")
    ]
    assert sources[0].digest() == sources[1].digest()
    other = MemorySource(images, [2, 1], label_names=FER7, name="mine", split="train")
    assert other.digest() != sources[0].digest()


def test_a_stream_pickles_small_and_reads_on(data):
    stream = load("fer2013", "train", data, cache="stream")
    _ = stream.labels
    copy = pickle.dumps(stream)
    assert len(copy) < 1000
    np.testing.assert_array_equal(pickle.loads(copy).take([5, 30])["image"], stream.take([5, 30])["image"])


def test_labels_and_digest_are_read_once(tmp_path, monkeypatch):
    copies.write_fer2013_csv(tmp_path, copies.rows(5, 1, 1))
    build(tmp_path, tmp_path / "data")
    first = load("fer2013", "train", tmp_path / "data", cache="stream")
    labels, digest = first.labels, first.digest()
    with monkeypatch.context() as patch:
        patch.setattr(Records, "read", None)
        again = load("fer2013", "train", tmp_path / "data", cache="stream")
        np.testing.assert_array_equal(again.labels, labels)
        assert again.digest() == digest
    index = builders.folder("fer2013", tmp_path / "data") / "train.index.npz"
    for spoilt in (b"", b"nothing like it", index.read_bytes()[:100]):
        index.write_bytes(spoilt)
        assert load("fer2013", "train", tmp_path / "data", cache="stream").digest() == digest


def test_carved_validation(folders_data, caplog):
    caplog.set_level("INFO", logger=loading.__name__)
    train, validation, whole = (
        load("fer2013", split, folders_data, val_fraction=fraction)
        for split, fraction in (("train", 0.2), ("validation", 0.2), ("train", 0))
    )
    (note,) = caplog.messages
    assert note.startswith("fer2013 has no validation split: 14 of its 70 training examples")
    assert (len(train), len(validation), len(whole)) == (56, 14, 70)
    assert np.bincount(validation.labels).tolist() == [2] * 7
    ids = [{source[i]["id"] for i in range(len(source))} for source in (train, validation, whole)]
    assert not ids[0] & ids[1]
    assert ids[0] | ids[1] == ids[2]
    assert len({train.digest(), validation.digest(), whole.digest()}) == 3
    stream = load("fer2013", "validation", folders_data, val_fraction=0.2, cache="stream")
    assert (stream.split, stream.digest()) == ("validation", validation.digest())
    np.testing.assert_array_equal(stream.take(range(14))["image"], validation.take(range(14))["image"])
    with pytest.raises(UserError, match="carves none"):
        load("fer2013", "validation", folders_data, val_fraction=0)


def test_no_carving_where_validation_is_official(data, caplog):
    caplog.set_level("INFO", logger=loading.__name__)
    assert len(load("fer2013", "train", data, val_fraction=0.5)) == 40
    assert len(load("fer2013", "validation", data)) == 9
    assert "validation" not in caplog.text


def test_questions_that_have_no_answer(data, tmp_path):
    with pytest.raises(UserError, match=r"no data set 'fer2031'; the nearest names are fer2013"):
        load("fer2031", "train", data)
    with pytest.raises(UserError, match=r"no split 'dev'; it has train, validation, test"):
        load("fer2013", "dev", data)
    with pytest.raises(UserError, match="cache 'tape'"):
        load("fer2013", "train", data, cache="tape")
    with pytest.raises(UserError, match="1 channel or 3, not 4"):
        load("fer2013", "train", data, channels=4)
    with pytest.raises(UserError) as caught:
        load("fer2013", "train", tmp_path)
    for part in (
        "fer2013.csv, icml_face_data.csv",
        f"prepare fer2013 --manual_dir=FOLDER --data_dir={tmp_path}",
    ):
        assert part in str(caught.value)


def test_the_folder_of_built_sets_comes_from_the_environment(data, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", os.fspath(data))
    assert len(load("fer2013", "test")) == 8
    monkeypatch.delenv("TFDS_DATA_DIR")
    assert os.fspath(builders.data_root(None)).endswith("/tensorflow_datasets")


def test_images_that_do_not_fit_in_memory(data):
    with pytest.raises(UserError, match=r"takes \d+ GiB in memory.*cache='disk' or 'stream'"):
        load("fer2013", "train", data, image_size=10**6)


def test_splits_that_fit_in_memory_one_by_one_but_not_together(data, monkeypatch):
    splits = [load("fer2013", split, data, cache="stream") for split in ("train", "validation")]
    sizes = [len(split) * 48 * 48 for split in splits]
    room = int(max(sizes) / memory_source.MEMORY_SHARE) + 1
    monkeypatch.setattr(memory_source, "machine_memory", lambda: room)
    for split in splits:
        memory_source.check_fits([split])
    with pytest.raises(UserError, match="fer2013 train and validation takes"):
        memory_source.check_fits(splits)


def damage(folder, how):
    shards = sorted(folder.glob("fer2013-train.array_record-*"))
    if how == "shard missing":
        shards[1].unlink()
    elif how == "shard cut off":
        shards[1].write_bytes(shards[1].read_bytes()[:70_000])
    elif how == "shard of another set":
        shards[1].write_bytes(shards[-1].read_bytes())
    elif how == "byte flipped":
        content = bytearray(shards[1].read_bytes())
        content[10_000] ^= 1
        shards[1].write_bytes(content)
    else:
        info = json.loads((folder / "dataset_info.json").read_text())
        (folder / "dataset_info.json").write_text(json.dumps(info)[:-40])


@pytest.mark.parametrize(
    "how", ["shard missing", "shard cut off", "shard of another set", "byte flipped", "description cut off"]
)
def test_damaged_sets_are_told_with_the_way_out(tmp_path, monkeypatch, how):
    monkeypatch.setattr(shards, "SHARD_EXAMPLES", 17)
    copies.write_fer2013_csv(tmp_path, copies.rows(60, 1, 1))
    build(tmp_path, tmp_path / "data")
    damage(builders.folder("fer2013", tmp_path / "data"), how)
    with pytest.raises(
        UserError, match=r"is damaged \(.*\); build it again: python -m ferjax prepare fer2013"
    ):
        load("fer2013", "train", tmp_path / "data")


class Snapshots(base.LicensedBuilder, skip_registration=True):
    """Another set of the same base: images of any size, tensors, no splits of its own."""

    name = "snapshots"
    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = "snapshots.txt"
    SIZES: ClassVar[list[tuple[int, int]]] = [(20, 30), (31, 9), (64, 64)]

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(None, None, 3), encoding_format="png"),
            "label": tfds.features.ClassLabel(names=list(FER7)),
            "identity": np.int64,
            "pose": tfds.features.Tensor(shape=(2, 3), dtype=np.float32),
            "votes": tfds.features.Sequence(np.int64),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(features),
            metadata=tfds.core.MetadataDict(),
        )

    def examples(self, folder):
        for i, (height, width) in enumerate(self.SIZES):
            image = np.full((height, width, 3), 40 * i, np.uint8)
            yield (
                "train",
                {
                    "image": encode_png(image),
                    "label": i,
                    "identity": 100 + i,
                    "pose": np.full((2, 3), i, np.float32),
                    "votes": list(range(i)),
                },
            )


@pytest.mark.parametrize("cache", ["memory", "stream"])
def test_a_set_of_another_kind_through_the_same_base(tmp_path, monkeypatch, cache):
    grouped_set.register(monkeypatch, Snapshots)
    builders.build(builders.create("snapshots", tmp_path / "data", manual_dir=tmp_path))
    with pytest.raises(UserError, match="differ in size: set image_size"):
        load("snapshots", "train", tmp_path / "data", cache=cache, val_fraction=0)
    source = load("snapshots", "train", tmp_path / "data", image_size=16, cache=cache, val_fraction=0)
    example = source[2]
    np.testing.assert_array_equal(example["image"], np.full((16, 16, 3), 80))
    assert example["identity"] == 102
    np.testing.assert_array_equal(example["pose"], np.full((2, 3), 2))
    assert example["pose"].dtype == np.float32
    assert [source[i]["votes"].tolist() for i in range(3)] == [[], [0], [0, 1]]
