"""Inner folds divide all but test, keep groups whole, and leave test as it is."""

import grouped_set
import numpy as np
import pytest
from grouped_set import opened, people
from hypothesis import given, settings
from hypothesis import strategies as st

from ferjax.data import builders
from ferjax.data.folds import parse_inner
from ferjax.data.split_choice import divide_inner
from ferjax.data.split_index import Index, Key
from ferjax.errors import UserError

SPLITS = ("train", "validation", "test")


@pytest.fixture
def make(monkeypatch, tmp_path):
    return lambda **counts: grouped_set.build(monkeypatch, tmp_path, people(5, **counts))


def held(source, key="id"):
    return {source[place][key] for place in range(len(source))}


@pytest.mark.parametrize(
    ("counts", "options"),
    [
        ({"train": 70, "validation": 35, "test": 35}, {}),
        ({"train": 140}, {"test_fraction": 0.25}),
        ({"train": 105, "validation": 35}, {"test_fraction": 0.25}),
        ({"train": 70, "validation": 35, "test": 35}, {"fold": "2/4"}),
    ],
)
def test_each_example_that_is_not_test_is_validation_once(make, counts, options):
    data = make(**counts)
    test = held(opened(data, "test", **options))
    outside = held(opened(data, "train", **options)) | held(opened(data, "validation", **options))
    assert not test & outside
    judged = []
    for number in (1, 2, 3):
        parts = {split: opened(data, split, **options, inner_fold=f"{number}/3") for split in SPLITS}
        assert held(parts["test"]) == test
        train, validation = held(parts["train"]), held(parts["validation"])
        assert not train & validation
        assert train | validation == outside
        assert not held(parts["train"], "group") & held(parts["validation"], "group")
        assert np.bincount(parts["validation"].labels, minlength=7).min() > 0
        judged += validation
    assert sorted(judged) == sorted(outside)


@given(
    labels=st.lists(st.integers(0, 6), min_size=6, max_size=80),
    count=st.integers(2, 5),
    data=st.data(),
)
@settings(deadline=None, max_examples=40)
def test_a_division_is_whole_and_stratified(labels, count, data):
    size = len(labels)
    rest = np.array(sorted(data.draw(st.sets(st.integers(0, size - 1), min_size=count))), np.int64)
    index = Index(np.array(labels, np.int32), "0", {})
    parts = [divide_inner("set", index, rest, f"{number}/{count}") for number in range(1, count + 1)]
    for part in parts:
        np.testing.assert_array_equal(np.sort(np.concatenate(list(part.values()))), np.arange(size))
        assert set(part["test"]) == set(range(size)) - set(rest)
    sizes = [np.bincount(index.labels[part["validation"]], minlength=7) for part in parts]
    assert np.ptp(sizes, axis=0).max() <= 1
    np.testing.assert_array_equal(np.sort(np.concatenate([part["validation"] for part in parts])), rest)


def test_inner_folds_are_pinned():
    # Other folds here would not be those of past searches.
    index = Index(np.arange(12, dtype=np.int32) % 2, "0", {})
    rest = np.arange(2, 12)
    parts = [divide_inner("set", index, rest, f"{number}/3")["validation"].tolist() for number in (1, 2, 3)]
    assert parts == [[5, 8, 9, 10], [2, 6, 11], [3, 4, 7]]


def test_too_few_people_for_the_folds(make):
    with pytest.raises(
        UserError, match="grouped without its test split has 4 groups of examples: they make no 5 folds"
    ):
        opened(make(train=20, test=10), "train", inner_fold="1/5")
    index = Index(np.zeros(4, np.int32), "0", {"group": Key(np.array([0, 0, 1, 1], np.int32), ("a", "b"))})
    assert divide_inner("set", index, np.arange(4), "1/2")["validation"].tolist() in ([0, 1], [2, 3])


@pytest.mark.parametrize("fold", ["0/5", "6/5", "1/1", "5", "subject:KA", " 1/5", "-1/5"])
def test_inner_folds_that_are_none(fold):
    with pytest.raises(UserError, match=r"data\.inner_fold .* folds are numbered 1/k"):
        parse_inner(fold)


def test_the_division_is_kept_beside_the_set(make, monkeypatch):
    data = make(train=70, validation=35, test=35)
    before = opened(data, "train", inner_fold="2/5").digest()
    (path,) = (builders.folder("grouped", data) / "divisions").glob("inner_2_5-*.npz")
    with np.load(path) as kept:
        assert (str(kept["of"]), str(kept["inner_fold"])) == ("train+validation", "2/5")
    monkeypatch.setattr("ferjax.data.split_choice.divide_inner", None)  # it is not worked out again
    assert opened(data, "train", inner_fold="2/5").digest() == before


def test_copies_of_the_validation_part_are_dropped_from_train(monkeypatch, tmp_path):
    images = people(5, train=70, validation=35, test=35)
    copied = [
        (*row[:4], images[number % 7][4]) if number % 10 < 2 else row for number, row in enumerate(images)
    ]
    data = grouped_set.build(monkeypatch, tmp_path, copied)
    whole, clean = (opened(data, "train", inner_fold="1/3", drop_leaks=drops) for drops in (False, True))
    assert len(clean) < len(whole)
    pixels = {
        name: {source[place]["image"].tobytes() for place in range(len(source))}
        for name, source in {
            "train": clean,
            "validation": opened(data, "validation", inner_fold="1/3"),
            "test": opened(data, "test", inner_fold="1/3"),
        }.items()
    }
    assert not pixels["train"] & (pixels["validation"] | pixels["test"])
