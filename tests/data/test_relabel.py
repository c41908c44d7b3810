"""A relabel file gives examples other labels, in every split and in folders; what does not fit is told."""

import contextlib
import io

import numpy as np
import pytest
import tiny
from copies import faces

from ferjax.commands.prepare import prepare
from ferjax.config import validate
from ferjax.data import builders, load, loading, relabel, relabel_file
from ferjax.data.example_ids import example_ids
from ferjax.data.records import Records
from ferjax.errors import UserError
from ferjax.training import contamination
from ferjax.training.splits import load_split


def written(path, key, *rows, columns=("label", "new_label")):
    path.write_text("\n".join([",".join((key, *columns)), *map(",".join, rows), ""]))
    return str(path)


def first_of(tiny_run, split):
    """The records of a split, and the id and the class of its first example."""
    records = Records("fer2013", builders.folder("fer2013", tiny_run.data), split)
    return records, example_ids(records)[0], records.label_names[records.index.labels[0]]


@pytest.mark.parametrize("cache", ["memory", "disk", "stream"])
def test_the_labels_of_every_split_are_replaced_and_all_agree_on_it(tiny_run, tmp_path, cache, caplog):
    caplog.set_level("INFO", logger=loading.__name__)
    loading._logged.clear()
    rows = [(name, old, "fear") for _, name, old in (first_of(tiny_run, s) for s in ("train", "test"))]
    path = written(tmp_path / "mine.csv", "id", *rows)
    config = tiny_run.config(data__relabel=path, data__cache=cache)
    for split, replaced in (("train", 1), ("validation", 0), ("test", 1)):
        before = load("fer2013", split, tiny_run.data)
        source = load_split(config, split)
        assert source.replaced == replaced == (source.labels != before.labels).sum()
        assert (source.digest() == before.digest()) == (replaced == 0)
        np.testing.assert_array_equal(source.take([0, 5])["label"], source.labels[[0, 5]])
    digest = relabel_file.read(path).digest
    assert (
        f"1 of 140 train labels of fer2013 are replaced by those of {path} (2 rows, SHA-256 " in caplog.text
    )
    splits = [load_split(config, split) for split in ("train", "test")]
    assert relabel.provenance(path, splits) == {
        "file": path, "digest": digest, "replaced": {"train": 1, "test": 1},
    }  # fmt: skip


def test_a_fold_keeps_its_examples_and_noise_comes_on_top(tiny_run, tmp_path):
    path = written(tmp_path / "mine.csv", "example", ("train/3", "", "fear"), ("test/0", "", "fear"))
    places = {"fear": 2}
    for split in ("train", "test"):
        before = load("fer2013", split, tiny_run.data, fold="1/3", cache="stream")
        after = load("fer2013", split, tiny_run.data, fold="1/3", cache="stream", relabel=path)
        np.testing.assert_array_equal(before.stored[1], after.stored[1])
        for place in (3, 140 + 35):  # joined: train, validation, test
            found = np.flatnonzero(after.stored[1] == place)
            assert (after.labels[found] == places["fear"]).all()
    both = load("fer2013", "train", tiny_run.data, relabel=path, label_noise=0.2)
    only = load("fer2013", "train", tiny_run.data, relabel=path)
    assert (both.labels != only.labels).sum() == 28
    assert both.replaced == 1


def test_images_that_weights_have_seen_are_found_without_the_file(tiny_run):
    data = tiny_run.config(data__relabel="/nowhere.csv").data.to_dict()
    assert len(contamination._opened(data, "train")) == 140


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "is not there, or no plain file"),
        ("", "is empty"),
        (
            "id,label\na,b\n",
            "must name the columns new_label and one of id, path, example; it names id, label",
        ),
        ("id,path,new_label\na,b,c\n", "columns id and path, which both name the example"),
        ("id,new_label\nfer2013.csv:2,\n", "gives no example a new label: fill in the column new_label"),
        ("id,new_label\n,sad\n", "line 2 names no example"),
        ("id,new_label\nx,sad,happy\n", "line 2: 3 fields, expected 2"),
        ("id,new_label\nx,sad\nx,sad\nx,happy\n", "gives 'x' two labels, sad in line 2 and happy in line 4"),
    ],
)
def test_bad_files_are_told(tmp_path, text, told):
    path = tmp_path / "mine.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=told) as caught:
        relabel_file.read(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) <= 400


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "id,new_label\nx,sad\ny,sad\n",
            r"no example 'x' \(nor those of 1 other lines\); the file is of ano",
        ),
        ("example,new_label\ntrain/140,sad\n", "line 2: fer2013 has no example 'train/140'; the file is of"),
        ("example,new_label\nvalidation/-1,sad\n", "no example 'validation/-1'"),
        ("id,new_label\nfer2013.csv:2,sadd\n", "line 2: 'sadd' is no class; the classes are angry, disgust"),
        (
            "example,label,new_label\ntrain/0,happy,sad\n",
            "'train/0' is angry, not happy; the file was made fo",
        ),
    ],
)
def test_files_of_another_set_are_told(tiny_run, tmp_path, text, told):
    records, *_ = first_of(tiny_run, "test")
    path = tmp_path / "mine.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=told) as caught:
        relabel.relabelled(records, relabel_file.read(path))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) <= 400


def test_votes_are_not_replaced(tiny_model, tiny_run):
    with pytest.raises(UserError, match=r"data\.relabel replaces classes"):
        validate(tiny_run.config(data__relabel="mine.csv", data__soft_labels=True))


def test_ids_are_kept_and_name_examples(tiny_run):
    records, first, _ = first_of(tiny_run, "train")
    assert (records.folder / "train.ids.npz").exists()
    assert example_ids(records)[0] == first == "fer2013.csv:2"
    whole = Records("fer2013", records.folder, "train+test")
    key, keys = relabel.keys_of(whole)
    assert (key, len(keys), keys[140]) == (
        "id",
        168,
        example_ids(Records("fer2013", records.folder, "test"))[0],
    )


@pytest.fixture
def mine(tmp_path):
    folder = tmp_path / "mine"
    for label in ("Angry", "Happy"):
        for number in range(2):
            faces.save(folder / label / f"{number}.png", "sad", (20, 20))
    return folder


def prepared(mine, relabel_path, data="data"):
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        prepare("folder", str(mine), str(mine.parent / data), options={"relabel": str(relabel_path)})
    records = Records("folder", builders.folder("folder", mine.parent / data), "train")
    names = [records.label_names[label] for label in records.index.labels]
    return dict(zip(example_ids(records), names, strict=True)), printed.getvalue()


def test_a_folder_is_built_with_other_labels(mine, tmp_path):
    path = tmp_path / "labels.csv"
    written(path, "path", ("Angry/1.png", "angry", "fear"), ("Happy/0.png", "happy", "happy"))
    stored, printed = prepared(mine, path)
    assert stored == {
        "Angry/0.png": "angry", "Angry/1.png": "fear", "Happy/0.png": "happy", "Happy/1.png": "happy",
    }  # fmt: skip
    digest = relabel_file.read(path).digest
    assert f"note: 1 labels are replaced by those of {path} (2 rows, SHA-256 {digest})" in printed


def test_a_list_is_built_with_other_labels_and_they_are_not_replaced_twice(mine, tmp_path):
    lines = ["path,label", *(f"{c}/{n}.png,{c.lower()}" for c in ("Angry", "Happy") for n in range(2))]
    (mine / "list.csv").write_text("\n".join(lines))
    path = mine / "labels.csv"  # beside the list, where it is none
    written(path, "path", ("Happy/1.png", "happy", "sad"))
    stored, _ = prepared(mine, path)
    assert stored["list.csv:5 Happy/1.png"] == "sad"
    data = mine.parent / "data"
    source = load("folder", "train", data, cache="stream", relabel=str(path), image_size=8)
    assert source.replaced == 0  # it has this label already
    written(path, "id", ("list.csv:4 Happy/0.png", "", "fear"))
    assert load("folder", "train", data, cache="stream", relabel=str(path), image_size=8).replaced == 1


@pytest.mark.parametrize(
    ("key", "row", "told"),
    [
        ("path", ("Angry/9.png", "angry", "sad"), r"mine has no example 'Angry/9\.png'"),
        ("path", ("Angry/0.png", "sad", "fear"), r"'Angry/0\.png' is angry, not sad"),
        ("path", ("Angry/0.png", "angry", "joy"), "'joy' is no class"),
        ("example", ("train/0", "angry", "sad"), "for a folder it must name paths"),
    ],
)
def test_a_folder_is_not_built_with_labels_of_another(mine, tmp_path, key, row, told):
    path = tmp_path / "labels.csv"
    written(path, key, row)
    with pytest.raises(UserError, match=told):
        prepared(mine, path)
    assert not builders.folder("folder", tmp_path / "data").exists()


@pytest.mark.slow
def test_a_run_keeps_where_its_labels_come_from(tiny_run, tmp_path):
    _, name, old = first_of(tiny_run, "train")
    path = written(tmp_path / "mine.csv", "id", (name, old, "fear"))
    printed = tiny_run.run(tmp_path / "run", f"--config.data.relabel={path}")
    assert "1 of 140 train labels of fer2013 are replaced" in printed
    kept = tiny.result(tmp_path / "run")["relabel"]
    assert kept["replaced"] == {"train": 1, "validation": 0, "test": 0}
    assert kept["digest"] == relabel_file.read(path).digest
