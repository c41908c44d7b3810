"""Votes as labels, and a part of the training split, through `load` and the config."""

import contextlib

import copies
import numpy as np
import pytest
import tiny
from copies.copy import Copy

from ferjax.data import load, loading
from ferjax.data.pipeline import train_batches
from ferjax.training.splits import load_split


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """FERPlus, built from a copy."""
    copy = Copy("ferplus", tmp_path_factory.mktemp("votes"))
    with contextlib.redirect_stdout(None):
        copy.prepare()
    return copy.data


@pytest.mark.parametrize("cache", ["memory", "disk", "stream"])
def test_batches_hold_the_votes_and_all_else_the_classes(data, cache):
    soft, hard = (load("ferplus", "train", data, cache=cache, soft_labels=soft) for soft in (True, False))
    indices = [3, 0, len(soft) - 1, 3]
    batch = soft.take(indices)
    assert (batch["label"].dtype, batch["label"].shape) == (np.float32, (4, 8))
    np.testing.assert_array_equal(batch["label"], [soft[index]["votes"] for index in indices])
    np.testing.assert_array_equal(batch["label"].argmax(1), hard.take(indices)["label"])
    np.testing.assert_array_equal(batch["image"], hard.take(indices)["image"])
    np.testing.assert_array_equal(soft.labels, hard.labels)
    assert (soft.digest(), soft[2]["label"]) == (hard.digest(), hard[2]["label"])
    assert soft.take([])["label"].shape == (0, 8)


@pytest.mark.slow
def test_workers_send_the_votes(data):
    source = load("ferplus", "train", data, cache="stream", soft_labels=True)
    found = []
    for workers in (0, 1):
        with contextlib.closing(train_batches(source, batch_size=6, seed=0, workers=workers)) as batches:
            found.append(next(batches)["label"])
    np.testing.assert_array_equal(*found)
    assert found[0].shape == (6, 8)


def test_only_the_training_split_of_a_run_is_soft(data):
    config = tiny.tiny_configuration(data__name="ferplus", data__dir=str(data), data__soft_labels=True)
    shapes = [load_split(config, split).take([0])["label"].shape for split in ("train", "validation")]
    assert shapes == [(1, 8), (1,)]


def test_a_part_of_train_is_kept_and_logged_and_the_rest_of_the_set_is_whole(data, caplog):
    caplog.set_level("INFO", logger=loading.__name__)
    loading._logged.clear()
    config = tiny.tiny_configuration(data__name="ferplus", data__dir=str(data), data__train_fraction=0.5)
    whole, part = load("ferplus", "train", data), load_split(config, "train")
    assert f"{len(part)} of {len(whole)} training examples of ferplus are kept" in caplog.text
    assert set(part.labels) == set(whole.labels)
    assert len(part) == 8 + 1  # half of two of each class, and of the third sad one
    ids = {whole[index]["id"] for index in range(len(whole))}
    assert {part[index]["id"] for index in range(len(part))} < ids
    assert part.digest() != whole.digest()
    assert len(load_split(config, "test")) == len(load("ferplus", "test", data)) == 8
    assert copies.class_of(part[0]["image"]) == part.label_names[part[0]["label"]]
