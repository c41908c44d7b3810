"""Pictures that are unlike those of training: the distance, its threshold, and what is stored of it."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import distance

from ferjax.scores import unlike


def features(rng, count, size=6, away=0.0):
    """Correlated features of very different spread."""
    mixed = np.linspace(1, 3, size)[:, None] * np.tri(size)
    return (rng.normal(size=(count, size)) @ mixed.T + away).astype(np.float32)


@pytest.fixture(scope="module")
def fitted():
    rng = np.random.default_rng(0)
    return unlike.fit("layer1", features(rng, 3000), features(rng, 2000))


def test_distances_are_scipys(fitted):
    train, some = features(np.random.default_rng(0), 3000), features(np.random.default_rng(1), 5)
    inverse = np.linalg.inv(np.cov(train.T, bias=True))
    theirs = [distance.mahalanobis(one, train.mean(0), inverse) for one in some]
    np.testing.assert_allclose(fitted.distances(some), theirs, rtol=0.01)  # ours is shrunk a little


def test_so_many_pictures_like_those_of_training_are_kept(fitted):
    others = features(np.random.default_rng(2), 4000)
    assert (fitted.distances(others) <= fitted.above).mean() == pytest.approx(0.95, abs=0.015)
    assert (fitted.distances(others + 9) > fitted.above).mean() > 0.99


def test_fewer_pictures_than_features_and_one_that_never_changes():
    rng = np.random.default_rng(0)
    train = features(rng, 4)
    train[:, 2] = 7
    found = unlike.fit("layer1", train, train)
    assert np.isfinite(found.whitener).all()
    assert found.distances(train + np.eye(6, dtype=np.float32)[2]).min() > found.above


def test_too_many_features():
    with pytest.raises(ValueError, match="600 features are more than 512"):
        unlike.fit("layer1", np.zeros((3, 600)), np.zeros((3, 600)))


def test_what_is_stored_is_read_back(fitted):
    read = unlike.parsed(json.loads(json.dumps(fitted.to_json())))
    assert (read.layer, read.above, read.kept) == (fitted.layer, fitted.above, fitted.kept)
    np.testing.assert_array_equal(read.mean, fitted.mean)
    np.testing.assert_array_equal(read.whitener, fitted.whitener)


@given(
    st.sampled_from(unlike.Unlike._fields),
    st.none() | st.booleans() | st.floats() | st.text(max_size=9) | st.just("AAAA") | st.lists(st.integers()),
)
def test_anything_else_is_none_or_as_good(fitted_text, name, value):
    read = unlike.parsed({**json.loads(fitted_text), name: value})
    if read is not None:
        assert read.whitener.shape == (len(read.mean), len(read.mean))
        assert np.isfinite(read.distances(np.zeros((1, len(read.mean))))).all()


@pytest.fixture(scope="module")
def fitted_text(fitted):
    return json.dumps(fitted.to_json())


def test_no_object_at_all(fitted):
    stored = fitted.to_json()
    for value in (None, 3, [], {}, {**stored, "more": 1}, {**stored, "mean": "?", "whitener": "?"}):
        assert unlike.parsed(value) is None
    infinite = unlike._text(np.full(6, np.inf))
    assert unlike.parsed({**stored, "mean": infinite}) is None
