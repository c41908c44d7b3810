import csv
import io
import os
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferjax.data.memory_source import MemorySource
from ferjax.errors import UserError
from ferjax.runs import predictions
from ferjax.runs.predictions import Predictions

NAMES = ("sad", 'happy, or "glad"', "neutral")


def some(n=6, seed=0, **changes):
    generator = np.random.default_rng(seed)
    chances = generator.dirichlet(np.ones(3), n)
    found = Predictions(
        "toons/avataaars", "test", "abc", 7, NAMES, np.arange(n) * 2, generator.integers(0, 3, n),
        np.log(chances).astype(np.float32),
    )  # fmt: skip
    return found._replace(**changes)


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 50), st.integers(0, 100))
def test_what_is_saved_comes_back(tmp_path_factory, n, seed):
    folder, said = tmp_path_factory.mktemp("run"), some(n, seed)
    path = predictions.save(folder, said)
    assert path == folder / "evaluations" / "toons-avataaars-test.npz"
    found = predictions.read(path)
    assert found[:5] == said[:5]
    for ours, theirs in zip(found[5:], said[5:], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(found.right, found.predicted == said.labels)


def test_of_a_whole_split():
    source = MemorySource(
        np.zeros((4, 8, 8, 3), np.uint8), [0, 1, 2, 0], label_names=NAMES, name="some", split="validation"
    )
    said = Predictions.of(source, np.zeros((4, 3), np.float32), 5)
    assert (said.dataset, said.split, said.step) == ("some", "validation", 5)
    assert said.split_digest == source.digest()
    assert said.indices.tolist() == [0, 1, 2, 3]
    assert said.labels.tolist() == [0, 1, 2, 0]


def test_the_two_csv_files_say_the_same_in_the_same_order(tmp_path):
    said = some()
    predictions.write_csv(tmp_path, said)
    with (tmp_path / "predict.csv").open(newline="") as file:
        predicted = list(csv.DictReader(file))
    with (tmp_path / "ground_truth.csv").open(newline="") as file:
        actual = list(csv.DictReader(file))
    assert [row["example"] for row in predicted] == [row["example"] for row in actual]
    assert [row["example"] for row in predicted] == [str(index) for index in said.indices]
    assert [row["predicted"] for row in predicted] == [NAMES[k] for k in said.predicted]
    assert [row["label"] for row in actual] == [NAMES[k] for k in said.labels]
    shares = np.array([[float(row[name]) for name in NAMES] for row in predicted])
    np.testing.assert_allclose(shares, np.exp(said.log_probabilities), rtol=1e-5)


def test_what_is_missing_or_damaged_is_told(tmp_path):
    with pytest.raises(UserError, match="does not exist; python -m ferjax evaluate writes it"):
        predictions.read(tmp_path / "none.npz")
    good = some()
    for bad in (
        {"labels": np.zeros(5, int)},
        {"labels": np.full(6, 3)},
        {"labels": np.full(6, -1)},
        {"indices": np.arange(5)},
        {"log_probabilities": np.zeros((6, 2))},
        {"log_probabilities": np.full((6, 3), np.nan)},
    ):
        path = predictions.save(tmp_path, good._replace(**bad))
        with pytest.raises(UserError, match="damaged; remove it and evaluate the run again"):
            predictions.read(path)
    path = predictions.save(tmp_path, good)
    whole = path.read_bytes()
    np.savez(path, labels=np.zeros(3))
    with pytest.raises(UserError, match="is damaged"):
        predictions.read(path)
    for name in ("labels", "indices", "log_probabilities", "about"):  # a member that is no array
        with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(path, "w") as new:
            for member in old.namelist():
                new.writestr(member, b"x" if member == f"{name}.npy" else old.read(member))
        with pytest.raises(UserError, match="is damaged"):
            predictions.read(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UserError, match="is damaged"):
        predictions.read(path)
    path.unlink()
    for cut in (0, 10, len(whole) // 2):
        path.write_bytes(whole[:cut])
        with pytest.raises(UserError, match="is damaged"):
            predictions.read(path)


def test_nothing_is_ever_unpickled(tmp_path):
    path = tmp_path / "said.npz"
    np.savez(path, about=np.array([{"step": 1}], object), labels=np.zeros(3))
    with pytest.raises(UserError, match="is damaged"):
        predictions.read(path)


def test_two_networks_are_compared_on_the_same_examples_only():
    first, second = some(seed=1), some(seed=1, log_probabilities=some(seed=2).log_probabilities)
    pair = predictions.right_of_both(first, second)
    np.testing.assert_array_equal(pair, [first.right, second.right])
    for other in ({"split_digest": "x"}, {"label_names": NAMES[::-1]}, {"indices": np.arange(6)}):
        with pytest.raises(UserError, match="McNemar's test needs one test set"):
            predictions.right_of_both(first, second._replace(**other))
