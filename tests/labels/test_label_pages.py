"""From probabilities to the page, the numbers and the list, which data.relabel takes back."""

import csv
import json

import grouped_set
import numpy as np
import pytest

from ferjax.config import defaults
from ferjax.data import builders, load
from ferjax.data.records import Records
from ferjax.errors import UserError
from ferjax.labels import page as label_page
from ferjax.labels import run
from ferjax.labels.whole_set import open_set

WRONG = (4, 50, 160)  # of the joined splits: two of train, one of validation


@pytest.fixture
def config(tiny_run):
    config = defaults()
    config.data.update(name="fer2013", dir=str(tiny_run.data))
    return config


@pytest.fixture
def saved(config, tmp_path):
    """Writes a file of probabilities for which three labels are wrong; other arrays replace its own."""

    def save(**others):
        whole = open_set(config, 0)
        actual = whole.labels.copy()
        actual[list(WRONG)] = (actual[list(WRONG)] + 2) % 7
        values = np.full((len(actual), 7), 0.02, np.float32)
        values[np.arange(len(actual)), actual] = 0.88
        features = np.eye(7, dtype=np.float32)[actual] + 0.01
        arrays = {"probabilities": values, "label_names": np.array(whole.label_names), "features": features}
        arrays |= {"digest": np.array(whole.digest()), "folds": np.arange(len(actual)) % 2}
        path = tmp_path / "probabilities.npz"
        arrays |= others
        np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
        return path

    return save


def test_what_is_written_and_taken_back(config, saved, tmp_path, tiny_run):
    written = run.from_file(config, saved(), tmp_path / "out")
    numbers = json.loads((tmp_path / "out" / "labels.json").read_text())
    assert numbers["examples"] == 203
    assert numbers["noise"]["share"] == pytest.approx(3 / 203, abs=1e-6)
    assert numbers["flagged"] == {"total": 3, "splits": {"train": 2, "validation": 1, "test": 0}}
    assert sum(pair["examples"] for pair in numbers["pairs"]) == 3
    assert "203 images of train, validation, test, looked at on" in written.page.read_text()
    page = written.page.read_text()
    assert "<script" not in page
    assert ("Wrong labels, at most" in page) == (written.numbers["accuracy"] < 0.75)
    assert "Of the 10 nearest images 10 have the label" in page
    assert page.count("<figure") == 3
    assert page.count("<img") == 3 * 5

    before = open_set(config, 0)
    with written.suspects.open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["id", "label", "suggestion", "score", "new_label"]
    assert {row["id"] for row in rows} == {before.keys[example] for example in WRONG}
    # Written again it is the same file; what somebody filled in is not written over.
    run.from_file(config, saved(), tmp_path / "out")
    text = written.suspects.read_text().splitlines()
    text[1] += rows[0]["suggestion"]
    written.suspects.write_text("\n".join([*text, ""]))
    with pytest.raises(UserError, match="holds labels that somebody has filled in"):
        run.from_file(config, saved(), tmp_path / "out")

    config.data.relabel = str(written.suspects)
    after = open_set(config, 0)
    (changed,) = np.flatnonzero(after.labels != before.labels)
    assert before.keys[changed] == rows[0]["id"]
    assert after.label_names[after.labels[changed]] == rows[0]["suggestion"]
    split = "train" if changed < 140 else "validation"
    assert load("fer2013", split, tiny_run.data, relabel=config.data.relabel).replaced == 1
    # The probabilities were of the labels before.
    with pytest.raises(UserError, match="is of another set than fer2013"):
        run.from_file(config, saved(digest=np.array(before.digest())), tmp_path / "again")
    again = run.from_file(config, saved(digest=None, features=None), tmp_path / "again")
    assert again.numbers["relabel"]["replaced"] == 1
    assert again.numbers["warnings"] == ["The file holds no features: no neighbours are shown."]
    # The next list holds the first one's label, and takes its place.
    run.from_file(config, saved(), tmp_path / "again")
    config.data.relabel = str(again.suspects)
    np.testing.assert_array_equal(open_set(config, 0).labels, after.labels)


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"probabilities": None}, "holds no probabilities: it must be an .npz file with"),
        ({"label_names": None}, "holds no probabilities"),
        ({"label_names": np.array(list("abcdefg"))}, "is of other classes than fer2013"),
        ({"probabilities": np.ones((5, 7)) / 7}, "has 5 rows of 7, expected 203 of 7"),
        ({"digest": np.array("0" * 64)}, "is of another set than fer2013 .*: images or labels are others"),
        ({"probabilities": np.full((203, 7), np.nan)}, "row 0 of probabilities does not add up to 1"),
        ({"probabilities": np.ones((203, 7))}, "row 0 of probabilities does not add up to 1"),
        ({"features": np.ones((3, 2))}, r"features must be float \[203, F\]"),
    ],
)
def test_files_of_other_things(config, saved, tmp_path, arrays, told):
    with pytest.raises(UserError, match=told) as caught:
        run.from_file(config, saved(**arrays), tmp_path / "out")
    assert len(str(caught.value)) <= 400
    assert not (tmp_path / "out").exists()


def test_other_files_are_not_written_over(config, saved, tmp_path):
    path = saved()
    for name, words in (
        ("index.html", "was not written by ferjax labels"),
        ("relabel.csv", "was not written by"),
    ):
        out = tmp_path / name.replace(".", "-")
        out.mkdir()
        (out / name).write_text("mine")
        with pytest.raises(UserError, match=words):
            run.from_file(config, path, out)
        assert (out / name).read_text() == "mine"
    with pytest.raises(UserError, match=r"nothing\.npz is not there"):
        run.from_file(config, tmp_path / "nothing.npz", tmp_path / "out")


def grouped(monkeypatch, folder, labels):
    image = np.zeros((12, 12, 1), np.uint8)
    rows = [("train", label, str(number), "", image) for number, label in enumerate(labels)]
    config = defaults()
    config.data.update(name="grouped", dir=str(grouped_set.build(monkeypatch, folder, rows)))
    return config


def test_sets_without_enough_to_look_at(monkeypatch, tmp_path):
    with pytest.raises(UserError, match=r"grouped has examples of one class only \(fear 4\)"):
        open_set(grouped(monkeypatch, tmp_path / "one", [2] * 4), 0)
    config = grouped(monkeypatch, tmp_path / "few", [0, 0, 0, 1, 1])
    open_set(config, 2)
    with pytest.raises(UserError, match=r"3 folds, .*: disgust 2; take --folds=2, or leave these"):
        open_set(config, 3)


def test_planted_noise_is_that_of_the_run(config, tiny_run):
    config.data.update(label_noise=0.2, label_noise_seed=3)
    whole = open_set(config, 0)
    train = load("fer2013", "train", tiny_run.data, label_noise=0.2, label_noise_seed=3)
    np.testing.assert_array_equal(whole.labels[:140], train.labels)
    stored = Records(
        "fer2013", builders.folder("fer2013", tiny_run.data), "train+validation+test"
    ).index.labels
    np.testing.assert_array_equal(whole.labels[140:], stored[140:])
    np.testing.assert_array_equal(whole.planted, whole.labels != stored)


def test_weak_networks_are_cautioned_against():
    weak = {"warnings": [], "accuracy": 0.34, "noise": {"share": 0.65}, "planted": None}
    (text,) = label_page.cautions(weak)
    assert text.startswith("Networks predict only 34% of the labels")
    assert "estimated 65%" in text
    assert label_page.cautions(weak | {"accuracy": 0.95}) == []
