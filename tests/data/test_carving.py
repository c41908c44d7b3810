import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferjax.data.carving import carve, subset
from ferjax.data.split_index import Key
from ferjax.errors import UserError

labels_of_any_set = st.lists(st.integers(0, 7), max_size=300).map(lambda labels: np.array(labels, np.int32))


@given(labels=labels_of_any_set, fraction=st.floats(0, 1, exclude_max=True))
@settings(deadline=None)
def test_every_example_is_on_one_side_and_every_class_gives_its_part(labels, fraction):
    train, validation = carve(labels, fraction)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, validation])), np.arange(len(labels)))
    for label in np.unique(labels):
        count = np.sum(labels == label)
        given_away = np.sum(labels[validation] == label)
        if fraction == 0 or count == 1:
            assert given_away in (0, round(fraction * count))
        else:
            assert given_away == max(1, round(fraction * count))


@given(labels=labels_of_any_set)
@settings(deadline=None, max_examples=20)
def test_the_same_division_every_time(labels):
    for one, other in zip(carve(labels, 0.2), carve(labels, 0.2), strict=True):
        np.testing.assert_array_equal(one, other)


def test_groups_without_a_name_are_no_groups():
    labels = np.arange(21) % 7
    nameless = Key(np.full(21, -1, np.int32), ())
    for one, other in zip(carve(labels, 0.1, nameless), carve(labels, 0.1), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_division_is_pinned():
    # Another order here would move examples between training and validation of every carved set.
    assert carve(np.arange(20) % 2, 0.2)[1].tolist() == [10, 13, 16, 19]


@pytest.mark.parametrize("fraction", [-0.1, 1.0, 2.0, float("nan")])
def test_fraction_out_of_range(fraction):
    with pytest.raises(UserError, match="val_fraction"):
        carve(np.zeros(4, int), fraction)


@given(labels=labels_of_any_set, fractions=st.tuples(*[st.floats(0.001, 1)] * 2).map(sorted))
@settings(deadline=None, max_examples=50)
def test_a_part_of_the_examples_has_every_class_and_lies_in_every_larger_part(labels, fractions):
    small, large = (subset(labels, fraction) for fraction in fractions)
    assert set(small) <= set(large)
    for part, fraction in zip((small, large), fractions, strict=True):
        assert (np.diff(part) > 0).all()
        for label in np.unique(labels):
            assert np.sum(labels[part] == label) == max(round(fraction * np.sum(labels == label)), 1)
    assert len(subset(labels, 1.0)) == len(labels)


def test_the_part_is_pinned():
    # Another order here would change which examples "a tenth of train" means.
    assert subset(np.arange(20) % 2, 0.3).tolist() == [0, 2, 3, 10, 13, 15]


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.1, float("nan")])
def test_part_out_of_range(fraction):
    with pytest.raises(UserError, match="train_fraction"):
        subset(np.zeros(4, int), fraction)
