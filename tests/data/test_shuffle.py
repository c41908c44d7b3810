"""Shuffling: how well, and in parts that processes read alone."""

import itertools
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferjax.data.balance import Once
from ferjax.data.labels import FER7
from ferjax.data.memory_source import MemorySource
from ferjax.data.pipeline import train_batches
from ferjax.data.shuffle import PartedOrder, ShuffledOrder
from ferjax.errors import UserError

WHOLE = slice(None)


def source(count):
    images = np.zeros((count, 1, 1, 1), np.uint8)
    return MemorySource(images, np.arange(count) % 7, label_names=FER7, name="places", split="train")


def places(steps, **options):
    batches = train_batches(source(options.pop("count")), indexed=True, **options)
    rows = [next(batches)["index"].tolist() for _ in range(steps)]
    batches.close()
    return rows


def test_neighbours_on_the_disk_come_as_far_apart_as_by_chance():
    count = 20_000
    order = Once(count).order(0, 0)
    assert abs(np.corrcoef(np.arange(count), order)[0, 1]) < 4 / np.sqrt(count)
    steps = np.abs(np.diff(order)) / count
    assert abs(steps.mean() - 1 / 3) < 4 * np.sqrt(1 / 18 / count)  # two independent places are 1/3 apart
    where = np.argsort(order)
    assert (np.abs(np.diff(where)) == 1).sum() < 10  # 2 expected


def test_an_order_is_drawn_once_for_all_threads_and_only_two_are_kept():
    drawn = []

    class Counted(Once):
        def order(self, seed, epoch):
            drawn.append(epoch)
            return super().order(seed, epoch)

    order = ShuffledOrder(Counted(50), 10, 0)
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(lambda step: order.rows(step, WHOLE), range(15)))
    assert sorted(drawn) == [0, 1, 2]
    assert sorted(np.concatenate(rows[5:10])) == list(range(50))
    assert len(order._orders) == 2


def test_a_pickle_holds_no_order():
    order = ShuffledOrder(Once(100_000), 10, 7)
    first = order.rows(3, WHOLE)
    packed = pickle.dumps(order)
    assert len(packed) < 1000
    assert pickle.loads(packed).rows(3, WHOLE).tolist() == first.tolist()


@given(
    count=st.integers(8, 60),
    parts=st.sampled_from([2, 4, 8]),
    per_part=st.integers(1, 4),
    seed=st.integers(0, 99),
)
@settings(deadline=None, max_examples=30)
def test_each_part_gives_its_rows_and_visits_its_examples_once_a_pass(count, parts, per_part, seed):
    steps = places(20, count=count, batch_size=parts * per_part, seed=seed, parts=parts)
    for part in range(parts):
        start, end = part * count // parts, (part + 1) * count // parts
        rows = [step[part * per_part : (part + 1) * per_part] for step in steps]
        visited = list(itertools.chain.from_iterable(rows))
        for first in range(0, len(visited) - (end - start) + 1, end - start):
            assert sorted(visited[first : first + end - start]) == list(range(start, end))


@given(parts=st.sampled_from([2, 4, 8]), processes=st.sampled_from([1, 2, 3, 4, 6]), start=st.integers(0, 20))
@settings(deadline=None, max_examples=30)
def test_parts_do_not_depend_on_the_number_of_processes(parts, processes, start):
    options = {"count": 50, "batch_size": 24, "seed": 5, "parts": parts}
    whole = places(start + 3, **options)[start:]
    many = [
        places(3, **options, start_step=start, process_index=i, process_count=processes)
        for i in range(processes)
    ]
    assert [list(itertools.chain.from_iterable(step)) for step in zip(*many, strict=True)] == whole


def test_a_process_draws_and_reads_its_own_parts_only():
    order = PartedOrder(1000, 8, 16, 0)
    rows = np.concatenate([order.rows(step, slice(4, 8)) for step in range(50)])
    assert (rows.min(), rows.max()) == (250, 499)
    drawn = [bool(part._orders) for part in order._orders]
    assert drawn == [False, False, True, True, False, False, False, False]


@pytest.mark.parametrize(("length", "parts", "batch"), [(100, 3, 16), (3, 4, 16)])
def test_parts_that_do_not_fit(length, parts, batch):
    with pytest.raises(UserError, match=f"data.shuffle_parts is {parts}: it must divide train.batch_size"):
        train_batches(source(length), batch_size=batch, seed=0, parts=parts)
