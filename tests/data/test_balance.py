import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferjax import config as configs
from ferjax.data.balance import Drawn, Oversampled, epochs
from ferjax.data.labels import FER7
from ferjax.data.memory_source import MemorySource
from ferjax.data.pipeline import train_batches
from ferjax.errors import UserError
from ferjax.training.losses import class_weights, effective_number, inverse_frequency
from ferjax.training.setup import plan

some_labels = st.lists(st.integers(0, 6), min_size=1, max_size=60).map(
    lambda labels: np.array(labels, np.int32)
)
seeds = st.integers(0, 2**40)


def numbered(labels):
    """A source whose image i is the number i in a pixel of four bytes."""
    images = np.arange(len(labels), dtype="<u4").view(np.uint8).reshape(-1, 1, 1, 4)
    return MemorySource(images, labels, label_names=FER7, name="numbered", split="train")


def taken(batches, steps):
    """The numbers and labels of the next steps, one list a step; ends the iterator."""
    rows = [
        list(
            zip(
                batch["image"].reshape(-1, 4).copy().view("<u4").ravel().tolist(), batch["label"], strict=True
            )
        )
        for batch in itertools.islice(batches, steps)
    ]
    batches.close()
    return rows


@given(labels=some_labels, seed=seeds, epoch=st.integers(0, 50))
@settings(deadline=None, max_examples=60)
def test_every_class_is_as_large_as_the_largest_and_shared_out_evenly(labels, seed, epoch):
    oversampled = Oversampled(labels)
    order = oversampled.order(seed, epoch)
    sizes = np.bincount(labels)
    assert len(order) == len(oversampled) == sizes.max() * np.sum(sizes > 0)
    times = np.bincount(order, minlength=len(labels))
    for label in np.flatnonzero(sizes):
        of_class = times[labels == label]
        assert of_class.sum() == sizes.max()
        assert set(of_class) <= {sizes.max() // sizes[label], -(-sizes.max() // sizes[label])}


@given(
    labels=some_labels,
    per_process=st.integers(1, 9),
    processes=st.integers(1, 4),
    seed=seeds,
    start=st.integers(0, 40),
)
@settings(deadline=None, max_examples=40)
def test_resumed_and_divided_among_processes_it_is_the_same(labels, per_process, processes, seed, start):
    source = numbered(labels)
    options = {"batch_size": per_process * processes, "seed": seed, "balance": "oversample"}
    whole = taken(train_batches(source, **options), start + 3)
    parts = [
        taken(train_batches(source, **options, start_step=start, process_index=i, process_count=processes), 3)
        for i in range(processes)
    ]
    assert [list(itertools.chain(*step)) for step in zip(*parts, strict=True)] == whole[start:]


@given(labels=some_labels, batch=st.integers(1, 70), seed=seeds)
@settings(deadline=None, max_examples=40)
def test_the_batches_of_an_epoch_are_the_epoch(labels, batch, seed):
    source = numbered(labels)
    length = len(epochs(source, "oversample"))
    batches = train_batches(source, batch_size=batch, seed=seed, balance="oversample")
    rows = list(itertools.chain(*taken(batches, -(-2 * length // batch))))
    assert all(labels[number] == label for number, label in rows)
    for epoch in (rows[:length], rows[length : 2 * length]):
        sizes = np.bincount([label for _, label in epoch])
        assert set(sizes[sizes > 0]) == {np.bincount(labels).max()}


def test_who_is_visited_once_more_changes_from_epoch_to_epoch():
    oversampled = Oversampled(np.array([0] * 30 + [1] * 20))
    extra = [np.flatnonzero(np.bincount(oversampled.order(0, epoch)) == 2).tolist() for epoch in range(3)]
    assert extra[0] != extra[1] != extra[2]
    assert [len(chosen) for chosen in extra] == [10, 10, 10]


def test_the_oversampled_order_is_pinned():
    # Another order here would change what every seed of every past run means.
    batches = train_batches(
        numbered(np.array([0, 0, 0, 1, 2, 2])), batch_size=9, seed=0, balance="oversample"
    )
    assert [[number for number, _ in step] for step in taken(batches, 2)] == [
        [4, 5, 2, 1, 3, 4, 3, 3, 0],
        [4, 3, 3, 3, 2, 5, 0, 1, 5],
    ]


@given(labels=some_labels, seed=seeds, epoch=st.integers(0, 50))
@settings(deadline=None, max_examples=40)
def test_drawn_epochs_hold_as_many_as_there_are_of_classes_that_occur(labels, seed, epoch):
    order = Drawn(labels).order(seed, epoch)
    assert len(order) == len(Drawn(labels)) == len(labels)
    assert set(order) <= set(range(len(labels)))
    np.testing.assert_array_equal(order, Drawn(labels).order(seed, epoch))


def test_drawn_with_replacement_every_class_is_as_likely_as_the_published_weights_make_it():
    labels = np.array([0] * 900 + [2] * 90 + [1] * 10)
    orders = np.concatenate([Drawn(labels).order(0, epoch) for epoch in range(30)])
    weights = 1 / np.bincount(labels)[labels]  # ImbalancedDatasetSampler's
    expected = len(orders) * weights / weights.sum()
    for label in range(3):
        found = np.bincount(orders, minlength=len(labels))[labels == label]
        assert found.sum() == pytest.approx(expected[labels == label].sum(), rel=0.05)
        assert found.std() > 0  # with replacement
    np.testing.assert_allclose(np.bincount(orders)[-10:], expected[-10:], rtol=0.15)


def test_the_drawn_order_is_pinned():
    batches = train_batches(numbered(np.array([0, 0, 0, 1, 2, 2])), batch_size=9, seed=0, balance="draw")
    assert [[number for number, _ in step] for step in taken(batches, 2)] == [
        [3, 3, 2, 2, 3, 5, 3, 3, 3],
        [3, 5, 1, 5, 5, 3, 0, 2, 3],
    ]


def test_an_epoch_of_the_plan_is_the_oversampled_one():
    config = configs.defaults()
    config.train.update(batch_size=5, epochs=2.0)
    config.data.balance = "oversample"
    source = numbered(np.array([0] * 30 + [1] * 5))
    assert plan(config, len(epochs(source, config.data.balance))).per_epoch == 12
    assert plan(config, len(epochs(source, "none"))).per_epoch == 7


@given(labels=some_labels, beta=st.floats(0, 0.99999))
@settings(deadline=None)
def test_effective_number_against_the_paper(labels, beta):
    weights = effective_number(labels, 8, beta)
    assert weights[labels].mean() == pytest.approx(1, rel=1e-5)
    counts = np.bincount(labels, minlength=8)
    assert not weights[counts == 0].any()
    present = counts > 0
    # The slow form of the effective number: 1 + β + … + β^(n − 1).
    effective = np.array([sum(beta**power for power in range(count)) for count in counts])
    products = (weights * effective)[present]
    np.testing.assert_allclose(products, products[0], rtol=1e-4)


def test_effective_number_lies_between_equal_and_inverse():
    labels = np.repeat(np.arange(3), [1000, 100, 10])
    np.testing.assert_allclose(effective_number(labels, 3, 0.0), 1)
    np.testing.assert_allclose(effective_number(labels, 3, 1 - 1e-8), inverse_frequency(labels, 3), rtol=1e-4)
    ratio = effective_number(labels, 3, 0.999)[2] / effective_number(labels, 3, 0.999)[0]
    assert 1 < ratio < 100
    assert class_weights("none", labels, 3, 0.9) is None
    np.testing.assert_array_equal(class_weights("inverse", labels, 3, 0.9), inverse_frequency(labels, 3))
    np.testing.assert_array_equal(
        class_weights("effective", labels, 3, 0.9), effective_number(labels, 3, 0.9)
    )


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"data.balance": "over"}, "did you mean oversample"),
        ({"data.balance": "oversample", "loss.class_weights": "effective"}, "both make up for rare classes"),
        ({"loss.effective_beta": 1.0}, "loss.effective_beta is 1.0; it must be at least 0 and below 1"),
        ({"data.fold": "11/10"}, "numbered 1/k"),
        ({"data.fold": "every"}, "'every' is none of '3/10'"),
        ({"data.drop_leaks": 1}, "data.drop_leaks takes True or False"),
    ],
)
def test_config_fields_are_checked(fields, told):
    config = configs.defaults()
    with pytest.raises(UserError, match=told):  # noqa: PT012  (a bad type fails when it is set)
        for field, value in fields.items():
            configs.override(config, field, value)
        configs.validate(config)
