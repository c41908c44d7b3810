"""Where a set has no test split a part of train is held out for it, and a given validation split stays."""

import hashlib

import grouped_set
import numpy as np
import pytest
from grouped_set import opened, people

from ferjax.data import builders
from ferjax.data.records import Records
from ferjax.errors import UserError


@pytest.fixture
def make(monkeypatch, tmp_path):
    return lambda **counts: grouped_set.build(monkeypatch, tmp_path, people(10, **counts))


def ids(source):
    return [source[place]["id"] for place in range(len(source))]


def test_a_set_without_test_is_told_with_the_way_out(make):
    data = make(train=70, validation=21)
    told = (
        r"no split 'test'; it has train, validation. --config.data.test_fraction=0.2 .* keeps its validation"
    )
    with pytest.raises(UserError, match=told) as caught:
        opened(data, "test")
    assert len(str(caught.value)) <= 400


def test_the_given_validation_is_kept_and_train_divided(make):
    data = make(train=140, validation=21)
    parts = {split: opened(data, split, test_fraction=0.2) for split in ("train", "validation", "test")}
    assert ids(parts["validation"]) == ids(opened(data, "validation"))
    assert len(parts["validation"]) == 21
    assert set(ids(parts["train"])) | set(ids(parts["test"])) == set(ids(opened(data, "train")))
    assert not set(ids(parts["train"])) & set(ids(parts["test"]))
    people = [{source[place]["group"] for place in range(len(source))} for source in parts.values()]
    assert not people[0] & people[2]
    assert len(parts["test"]) == pytest.approx(28, abs=2)
    assert set(np.bincount(parts["test"].labels, minlength=7)) <= {3, 4, 5}
    assert ids(opened(data, "test", test_fraction=0.2)) == ids(parts["test"])  # now from its file


def test_test_and_validation_are_both_carved_where_both_lack(make):
    data = make(train=140)
    parts = [
        ids(opened(data, split, test_fraction=0.2, val_fraction=0.1))
        for split in ("train", "validation", "test")
    ]
    together = [name for part in parts for name in part]
    assert sorted(together) == sorted(ids(opened(data, "train", val_fraction=0)))
    assert all(parts)
    assert len(set(together)) == 140


def test_a_given_test_split_is_not_touched(make):
    data = make(train=70, test=21)
    for split in ("train", "validation", "test"):
        assert opened(data, split, test_fraction=0.3).digest() == opened(data, split).digest()


def test_leaks_into_the_carved_test_are_dropped(monkeypatch, tmp_path):
    listed = people(10, train=70, validation=7)
    listed = [(*row[:2], "", *row[3:]) for row in listed]
    listed += [(split, label, "", "", image) for split, label, _, _, image in listed[:70]]  # each image twice
    data = grouped_set.build(monkeypatch, tmp_path, listed)
    test = opened(data, "test", test_fraction=0.5)
    train = opened(data, "train", test_fraction=0.5, drop_leaks=True)
    images = {test[place]["image"].tobytes() for place in range(len(test))}
    assert len(train)
    assert not images & {train[place]["image"].tobytes() for place in range(len(train))}


@pytest.mark.parametrize("fraction", [-0.1, 1.0, float("nan")])
def test_the_fraction_is_checked(fraction, make):
    with pytest.raises(UserError, match=r"test_fraction is .*; it must be at least 0 and less than 1"):
        opened(make(train=70, validation=7), "test", test_fraction=fraction)


def test_the_file_of_a_division_without_it_has_the_name_of_before(make):
    data = make(train=140)
    opened(data, "train")
    folder = builders.folder("grouped", data)
    index = Records("grouped", folder, "train").index
    identity = f"\n0.1\ntrain\n{index.digest}".encode() + index.groups.codes.astype("<i4").tobytes()
    (path,) = (folder / "divisions").iterdir()
    assert path.name == f"carved-{hashlib.sha256(identity).hexdigest()[:12]}.npz"
