"""Mixtures of several sets: what an epoch takes of each, on every number of processes and after a restart."""

import contextlib
import io
import itertools

import fer2013_copies as copies
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferjax.data import builders, load
from ferjax.data.balance import epochs
from ferjax.data.labels import FER7
from ferjax.data.memory_source import MemorySource
from ferjax.data.mixture import MixedSource, load_mixture
from ferjax.data.pipeline import train_batches
from ferjax.errors import UserError

lengths = st.lists(st.integers(1, 40), min_size=1, max_size=4)
seeds = st.integers(0, 2**40)


def member(count, first=0, **options):
    """A source whose image i is the number first + i in a pixel of four bytes."""
    images = np.arange(first, first + count, dtype="<u4").view(np.uint8).reshape(count, 1, 1, 4)
    options = {"label_names": FER7, "name": f"from{first}", "split": "train", **options}
    return MemorySource(images, np.arange(count) % 7, **options)


def mixed(counts, weights=None, labelled=True):
    members = [member(count, 1000 * number) for number, count in enumerate(counts)]
    return MixedSource(members, weights or [1.0] * len(counts), FER7, labelled)


def numbers(batch):
    return batch["image"].reshape(-1, 4).copy().view("<u4").ravel().tolist()


def taken(source, steps, **options):
    batches = train_batches(source, **options)
    rows = [numbers(next(batches)) for _ in range(steps)]
    batches.close()
    return rows


@given(counts=lengths, seed=seeds)
@settings(deadline=None, max_examples=30)
def test_weights_as_the_sizes_show_each_image_once_an_epoch(counts, seed):
    order = epochs(mixed(counts, [float(count) for count in counts]), "none")
    assert len(order) == sum(counts)
    for epoch in range(3):
        assert sorted(order.order(seed, epoch)) == list(range(sum(counts)))


@given(sizes=st.tuples(st.integers(5, 40), st.integers(5, 40)), share=st.floats(0.2, 0.8), seed=seeds)
@settings(deadline=None, max_examples=30)
def test_an_epoch_takes_of_each_set_what_its_weight_says_and_of_its_images_none_much_oftener(
    sizes, share, seed
):
    source, total = mixed(sizes, [share, 1 - share]), sum(sizes)
    order, visits = epochs(source, "none"), np.zeros(total, int)
    for epoch in range(4):
        places = order.order(seed, epoch)
        assert len(places) == total
        assert abs((places < sizes[0]).sum() - share * total) <= 1
        visits += np.bincount(places, minlength=total)
        # Each set goes on where it was in the epoch before.
        for part in (visits[: sizes[0]], visits[sizes[0] :]):
            assert part.max() - part.min() <= 1


def test_the_members_of_a_mixture_are_shuffled_together():
    source = mixed([500, 500])
    first = np.array(taken(source, 1, batch_size=200, seed=0)[0])
    assert 70 < (first < 1000).sum() < 130
    changes = ((first[1:] < 1000) != (first[:-1] < 1000)).sum()
    assert 70 < changes < 130


def test_the_order_is_pinned():
    # Another order here would change what every seed of every past run means.
    assert taken(mixed([4, 3], [1, 2]), 2, batch_size=7, seed=0) == [
        [1001, 1002, 0, 1000, 1000, 1001, 1],
        [1002, 1002, 1001, 1000, 1002, 3, 2],
    ]


@given(counts=lengths, per_process=st.integers(1, 9), processes=st.integers(1, 4), start=st.integers(0, 9))
@settings(deadline=None, max_examples=30)
def test_any_number_of_processes_goes_on_with_the_same_batches(counts, per_process, processes, start):
    source, options = mixed(counts), {"batch_size": per_process * processes, "seed": 3}
    whole = taken(source, start + 3, **options)[start:]
    many = [
        taken(source, 3, **options, start_step=start, process_index=i, process_count=processes)
        for i in range(processes)
    ]
    assert [list(itertools.chain.from_iterable(step)) for step in zip(*many, strict=True)] == whole


def test_a_batch_holds_what_its_members_hold():
    source = mixed([5, 6])
    batch = source.take([10, 0, 5, 4])
    assert numbers(batch) == [1005, 0, 1000, 4]
    assert batch["label"].tolist() == [5, 0, 0, 4]
    assert batch["label"].dtype == np.int32
    assert source.labels.tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5]
    assert source[10]["label"] == 5
    assert source.take([])["image"].shape == (0, 1, 1, 4)
    with pytest.raises(IndexError):
        source.take([11])


def test_valence_and_arousal_are_unknown_where_a_set_has_none():
    values = np.array([[0.5, -0.5]] * 3, np.float32)
    source = MixedSource([member(3, affect=values), member(2, 1000)], [1, 1], FER7)
    batch = source.take([4, 1])
    assert np.isnan(batch["affect"][0]).all()
    assert batch["affect"][1].tolist() == [0.5, -0.5]


def test_without_labels_every_label_is_0():
    source = mixed([5, 6], labelled=False)
    assert source.labels.tolist() == source.take(range(11))["label"].tolist() == [0] * 11


def test_the_digest_tells_weights_and_members_apart():
    digests = {
        source.digest() for source in (mixed([5, 6]), mixed([5, 6], [1, 3]), mixed([6, 5]), mixed([5, 6, 1]))
    }
    assert len(digests) == 4
    assert mixed([5, 6], [2, 2]).digest() == mixed([5, 6]).digest()


def test_what_cannot_be_mixed_is_told():
    with pytest.raises(UserError, match=r"weight 0\.0001 of from1000 takes none of the 10 images"):
        mixed([5, 5], [1, 0.0001])
    large = MemorySource(
        np.zeros((3, 2, 2, 4), np.uint8), np.arange(3), label_names=FER7, name="large", split="train"
    )
    with pytest.raises(UserError, match="images of large are"):
        MixedSource([member(3), large], [1, 1], FER7)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mixture")
    copies.write_fer2013_csv(folder, copies.rows(30, 1, 1))
    with contextlib.redirect_stdout(io.StringIO()):
        builders.build(builders.create("fer2013", folder / "data", manual_dir=folder))
    return folder / "data"


def test_streamed_sets_are_decoded_to_the_same_bytes_and_workers_may_decode_them(built):
    def opened(name, channels):
        return load(name, "train", built, image_size=24, channels=channels, cache="stream")

    source = load_mixture([("fer2013", 1.0)], FER7, True, opened)
    assert source.streamed
    assert not source.quick
    decoded = source.decoded()
    assert decoded.quick
    assert decoded.digest() == source.digest()
    first, second = source.take([3, 0]), decoded.take([3, 0])
    assert all(np.array_equal(first[name], second[name]) for name in ("image", "label"))
    with pytest.raises(
        UserError, match=r"the classes of fer2013 \(angry, .*\) are not those of data.name \(a, b\)"
    ):
        load_mixture([("fer2013", 1.0)], ("a", "b"), True, opened)
    assert load_mixture([("fer2013", 1.0)], ("a", "b"), False, opened).labels.max() == 0


def test_grey_and_coloured_sets_are_mixed_in_colour(monkeypatch):
    asked = []

    def opened(name, channels):
        asked.append(channels)
        return member(3)

    load_mixture([("fer2013", 1.0), ("rafdb", 1.0)], FER7, True, opened)
    load_mixture([("fer2013", 1.0)], FER7, True, opened)
    assert asked == [3, 3, None]
