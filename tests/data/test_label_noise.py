"""Labels made wrong on purpose: how many, which, and where they are seen."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferjax.config import validate
from ferjax.data import load, loading
from ferjax.data.label_noise import with_wrong_labels
from ferjax.errors import UserError
from ferjax.training.splits import load_split


@given(
    labels=st.lists(st.integers(0, 4), max_size=60).map(lambda x: np.array(x, np.int32)),
    fraction=st.floats(0, 1),
    seed=st.integers(0, 2**32),
)
@settings(deadline=None, max_examples=60)
def test_exactly_a_part_is_wrong(labels, fraction, seed):
    wrong = with_wrong_labels(labels, 5, fraction, seed)
    assert (wrong != labels).sum() == round(fraction * len(labels))
    assert set(wrong) <= set(range(5))
    assert wrong.dtype == np.int32
    fewer = with_wrong_labels(labels, 5, fraction / 2, seed)
    changed = fewer != labels
    np.testing.assert_array_equal(fewer[changed], wrong[changed])


def test_every_other_class_is_equally_likely():
    labels = np.arange(6000) % 3
    wrong = with_wrong_labels(labels, 3, 0.5, seed=1)
    for label in range(3):
        found = np.bincount(wrong[(labels == label) & (wrong != labels)], minlength=3)
        assert found[label] == 0
        np.testing.assert_allclose(found[found > 0], 500, rtol=0.15)
    assert (wrong != with_wrong_labels(labels, 3, 0.5, seed=2)).any()


@pytest.mark.parametrize("cache", ["memory", "disk", "stream"])
def test_only_train_is_wrong_and_all_agree_on_it(tiny_run, cache, caplog):
    caplog.set_level("INFO", logger=loading.__name__)
    loading._logged.clear()
    right = load("fer2013", "train", tiny_run.data, cache=cache)
    config = tiny_run.config(data__label_noise=0.2, data__cache=cache)
    wrong = load_split(config, "train")
    assert (wrong.labels != right.labels).sum() == 28
    assert "28 of 140 training labels of fer2013 are made wrong (label_noise=0.2, seed 0)" in caplog.text
    indices = [5, 0, 139, 5]
    np.testing.assert_array_equal(wrong.take(indices)["label"], wrong.labels[indices])
    assert [wrong[index]["label"] for index in indices] == wrong.labels[indices].tolist()
    assert wrong.digest() != right.digest()
    for split in ("validation", "test"):
        clean = load("fer2013", split, tiny_run.data)
        np.testing.assert_array_equal(load_split(config, split).labels, clean.labels)


def test_votes_have_no_wrong_class(tiny_model, tiny_run):
    with pytest.raises(UserError, match=r"data\.label_noise changes classes"):
        validate(tiny_run.config(data__label_noise=0.2, data__soft_labels=True))
