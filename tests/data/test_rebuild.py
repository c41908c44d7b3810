"""A built set that is damaged or was edited by hand is told in one line, and replaced only by a whole one."""

import contextlib
import io
import json
import os
import shutil
import sys

import numpy as np
import pytest
from copies.copy import Copy

from ferjax.commands import prepare as prepare_command
from ferjax.commands.prepare import prepare
from ferjax.data import builders, load
from ferjax.data.described import DamagedSetError
from ferjax.data.records import Records
from ferjax.errors import UserError

LAYOUT, NAME = "folder csv", "folder/mine"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A built set."""
    copy = Copy(LAYOUT, tmp_path_factory.mktemp("whole"))
    with contextlib.redirect_stdout(io.StringIO()):
        copy.prepare()
    return copy


@pytest.fixture
def set_folder(whole, tmp_path):
    """The folder of a built set in `tmp_path / "data"`, for each test its own."""
    shutil.copytree(whole.data, tmp_path / "data")
    return builders.folder(NAME, tmp_path / "data")


def content(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def cut(path):
    path.write_bytes(path.read_bytes()[:1000])


def edit(folder, name, change):
    value = json.loads((folder / name).read_text())
    change(value)
    (folder / name).write_text(json.dumps(value))


def shard(folder):
    return next(folder.glob("*train.array_record*"))


def make_a_folder(path):
    path.unlink()
    path.mkdir()


DAMAGE = {
    "shard cut": lambda folder: cut(shard(folder)),
    "shard gone": lambda folder: shard(folder).unlink(),
    "shard a folder": lambda folder: (
        shard(folder).unlink(),
        (folder / "folder-train.array_record-00000").mkdir(),
    ),
    "info is no JSON": lambda folder: (folder / "dataset_info.json").write_text("{"),
    "info is a list": lambda folder: (folder / "dataset_info.json").write_text("[]"),
    "info without splits": lambda folder: edit(folder, "dataset_info.json", lambda info: info.pop("splits")),
    "info of another size": lambda folder: edit(
        folder, "dataset_info.json", lambda info: info["splits"][0].update(shardLengths=["13"])
    ),
    "info of a negative size": lambda folder: edit(
        folder, "dataset_info.json", lambda info: info["splits"][0].update(shardLengths=["-1"])
    ),
    "features gone": lambda folder: (folder / "features.json").unlink(),
    "features nested": lambda folder: (folder / "features.json").write_text("[" * 100_000),
    "features without an image": lambda folder: edit(
        folder, "features.json", lambda all: all["featuresDict"]["features"].pop("image")
    ),
    "features without a group": lambda folder: edit(
        folder, "features.json", lambda all: all["featuresDict"]["features"].pop("group")
    ),
    "fewer classes": lambda folder: (folder / "label.labels.txt").write_text("angry\nhappy\n"),
    "names of classes gone": lambda folder: (folder / "label.labels.txt").unlink(),
    "a class twice": lambda folder: (folder / "label.labels.txt").write_text("angry\n" * 7),
    "a pipe": lambda folder: os.mkfifo(folder / "pipe"),
    "a device": lambda folder: (folder / "device").symlink_to("/dev/zero"),
    "metadata is no JSON": lambda folder: (folder / "metadata.json").write_text("{"),
    "metadata is a list": lambda folder: (folder / "metadata.json").write_text('["bad_rows"]'),
    "notes are a number": lambda folder: (folder / "metadata.json").write_text('{"notes": 3}'),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=list(DAMAGE))
def test_a_damaged_set_is_told_and_stays_until_another_is_whole(damage, set_folder, whole, tmp_path):
    damage(set_folder)
    before = content(set_folder)
    with pytest.raises(
        DamagedSetError, match=r"is damaged \(.*build it again: python -m ferjax prepare"
    ) as caught:
        prepare(NAME, None, str(tmp_path / "data"))
    assert len(str(caught.value)) <= 400 + len(str(tmp_path))
    (tmp_path / "wrong").mkdir()
    with pytest.raises(UserError, match=r"no folder in .*: looked for"):
        prepare(NAME, str(tmp_path / "wrong"), str(tmp_path / "data"))
    assert {path: text for path, text in content(set_folder).items() if path.suffix != ".npz"} == {
        path: text for path, text in before.items() if path.suffix != ".npz"
    }
    prepare(NAME, str(whole.manual), str(tmp_path / "data"))
    assert len(load(NAME, "train", tmp_path / "data", image_size=8)) == 14
    assert [path.name for path in set_folder.parent.iterdir()] == ["1.0.0"]


def test_a_linked_set_is_rebuilt_where_the_link_leads(set_folder, whole, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    set_folder.rename(elsewhere)
    set_folder.symlink_to(elsewhere)
    shard(elsewhere).unlink()
    prepare(NAME, str(whole.manual), str(tmp_path / "data"))
    assert set_folder.is_symlink()
    assert shard(elsewhere).is_file()
    shutil.rmtree(elsewhere)
    with pytest.raises(UserError, match="is a link that leads nowhere: remove it"):
        prepare(NAME, str(whole.manual), str(tmp_path / "data"))


def test_a_file_in_the_place_of_a_set_stays(whole, tmp_path):
    place = builders.folder(NAME, tmp_path)
    place.parent.mkdir(parents=True)
    place.write_text("mine")
    with pytest.raises(UserError, match="is no folder, and so no built set: move it away"):
        prepare(NAME, str(whole.manual), str(tmp_path))
    assert place.read_text() == "mine"


def test_a_rebuild_that_was_killed_loses_nothing(set_folder, whole, tmp_path, monkeypatch):
    shard(set_folder).unlink()
    left = set_folder.with_name(".1.0.0.rebuilt.0")
    left.mkdir()
    with pytest.raises(UserError, match="is not a folder"):
        prepare(NAME, str(tmp_path / "nowhere"), str(tmp_path / "data"))
    assert left.exists()  # it may hold the last whole copy
    prepare(NAME, str(whole.manual), str(tmp_path / "data"))
    assert not left.exists()


def test_features_of_other_modules_are_not_imported(set_folder, tmp_path, monkeypatch):
    (tmp_path / "trap_module.py").write_text("raise SystemExit('sprung')")
    monkeypatch.syspath_prepend(tmp_path)
    edit(
        set_folder,
        "features.json",
        lambda all: all["featuresDict"]["features"]["id"].update(pythonClassName="trap_module.Text"),
    )
    with pytest.raises(DamagedSetError, match=r"features.json names 'trap_module.Text', which is no feature"):
        load(NAME, "train", tmp_path / "data", image_size=8)
    assert "trap_module" not in sys.modules


INDEXES = {
    "labels out of range": {"labels": np.full(14, 99, np.int32)},
    "labels of another type": {"labels": np.zeros(14, np.float32)},
    "labels of another shape": {"labels": np.zeros((14, 1), np.int32)},
    "digest": {"digest": np.array("x")},
    "keys of another kind": {"keys": np.array([["a"]])},
    "unknown key": {"keys": np.array(["labels"])},
    "codes out of range": {"group_codes": np.full(14, 9, np.int32)},
    "names of another type": {"group_names": np.arange(4)},
    "names twice": {"group_names": np.array(["p0", "p0", "p1", "p2"])},
}


@pytest.mark.parametrize("change", INDEXES.values(), ids=list(INDEXES))
def test_an_index_that_was_edited_is_made_again(change, set_folder):
    path = set_folder / "train.index.npz"
    with np.load(path) as stored:
        arrays = dict(stored)
    np.savez(path, **{**arrays, **change})
    index = Records(NAME, set_folder, "train").index
    np.testing.assert_array_equal(index.labels, arrays["labels"])
    np.testing.assert_array_equal(index.groups.codes, arrays["group_codes"])
    assert index.digest == str(arrays["digest"])


@pytest.mark.parametrize(
    "parts",
    [{"train": np.array(0)}, {"train": np.zeros(2)}, {"test": np.arange(3)}],
    ids=["shape", "type", "overlap"],
)
def test_a_division_that_was_edited_is_made_again(parts, set_folder, tmp_path):
    load(NAME, "test", tmp_path / "data", image_size=8, fold="1/3")
    (path,) = (set_folder / "divisions").iterdir()
    with np.load(path) as stored:
        arrays = dict(stored)
    np.savez(path, **{**arrays, **parts})
    assert len(load(NAME, "train", tmp_path / "data", image_size=8, fold="1/3")) == len(arrays["train"])


def test_who_comes_second_is_told_of_other_options(whole, tmp_path, capsys, monkeypatch):
    data, build = str(tmp_path / "data"), builders.build

    def after_another(builder, beam):
        """Another process builds the set while this one waits for the lock."""
        assert build(builders.create(NAME, data, manual_dir=whole.manual))
        return build(builder, beam)

    monkeypatch.setattr(prepare_command.builders, "build", after_another)
    with pytest.raises(UserError, match=r"built already, with labels=: remove .* with labels=Joy=happy"):
        prepare(NAME, str(whole.manual), data, options={"labels": "Joy=happy"})
    prepare(NAME, None, data)
    assert "is built already, in" in capsys.readouterr().out
