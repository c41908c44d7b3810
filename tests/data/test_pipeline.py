import itertools
import subprocess
import sys
import textwrap
import threading

import fer2013_copies as copies
import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferjax.data import builders, load
from ferjax.data.labels import FER7
from ferjax.data.memory_source import MemorySource
from ferjax.data.pipeline import check_workers, eval_batches, train_batches
from ferjax.errors import UserError

sizes = st.integers(1, 60)
seeds = st.integers(0, 2**40)


def numbered(count):
    """A source whose image i is the number i in a pixel of four bytes."""
    images = np.arange(count, dtype="<u4").view(np.uint8).reshape(count, 1, 1, 4)
    return MemorySource(images, np.arange(count) % 7, label_names=FER7, name="numbered", split="train")


def numbers(batch):
    return batch["image"].reshape(-1, 4).copy().view("<u4").ravel().tolist()


def taken(batches, steps):
    """The numbers of the next steps, one list a step; ends the iterator."""
    rows = [numbers(batch) for batch in itertools.islice(batches, steps)]
    batches.close()
    return rows


def joined(lists):
    return list(itertools.chain.from_iterable(lists))


@pytest.fixture(scope="module")
def stream(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pipeline")
    copies.write_fer2013_csv(folder, copies.rows(30, 1, 1))
    builders.build(builders.create("fer2013", folder / "data", manual_dir=folder))
    return load("fer2013", "train", folder / "data", cache="stream")


@given(count=sizes, batch=st.integers(1, 130), seed=seeds)
@settings(deadline=None, max_examples=40)
def test_every_epoch_visits_each_example_once_in_a_new_order(count, batch, seed):
    epochs = 3
    batches = train_batches(numbered(count), batch_size=batch, seed=seed)
    order = joined(taken(batches, -(-epochs * count // batch)))
    visited = [order[epoch * count : (epoch + 1) * count] for epoch in range(epochs)]
    assert all(sorted(epoch) == list(range(count)) for epoch in visited)
    if count > 20:  # 1 in 20! to be the same by chance
        assert visited[0] != visited[1] != visited[2]


@given(
    count=sizes,
    per_process=st.integers(1, 9),
    processes=st.integers(1, 5),
    seed=seeds,
    start=st.integers(0, 9),
)
@settings(deadline=None, max_examples=40)
def test_the_rows_of_all_processes_are_the_batch_of_one(count, per_process, processes, seed, start):
    source = numbered(count)
    options = {"batch_size": per_process * processes, "seed": seed, "start_step": start}
    one = taken(train_batches(source, **options), 4)
    many = [
        taken(train_batches(source, **options, process_index=i, process_count=processes), 4)
        for i in range(processes)
    ]
    assert [joined(step) for step in zip(*many, strict=True)] == one


@given(count=sizes, batch=st.integers(1, 40), seed=seeds, start=st.integers(0, 30))
@settings(deadline=None, max_examples=40)
def test_resuming_at_any_step_gives_the_same_rest(count, batch, seed, start):
    source = numbered(count)
    whole = taken(train_batches(source, batch_size=batch, seed=seed), start + 3)
    assert taken(train_batches(source, batch_size=batch, seed=seed, start_step=start), 3) == whole[start:]


def test_resuming_far_into_a_run_is_immediate():
    steps = taken(train_batches(numbered(50), batch_size=8, seed=1, start_step=10**9), 2)
    assert len(joined(steps)) == 16


def test_seeds_give_different_orders():
    orders = [taken(train_batches(numbered(60), batch_size=60, seed=seed), 1)[0] for seed in range(3)]
    assert orders[0] != orders[1] != orders[2]


def test_the_order_is_pinned():
    # Another order here would change what every seed of every past run means.
    assert taken(train_batches(numbered(7), batch_size=4, seed=0), 3) == [
        [6, 2, 1, 5],
        [4, 3, 0, 6],
        [5, 3, 4, 2],
    ]


@given(count=sizes, per_process=st.integers(1, 9), processes=st.integers(1, 5))
@settings(deadline=None, max_examples=40)
def test_evaluation_counts_every_example_once(count, per_process, processes):
    source = numbered(count)
    size = per_process * processes
    parts = [
        list(eval_batches(source, batch_size=size, process_index=i, process_count=processes))
        for i in range(processes)
    ]
    assert {len(part) for part in parts} == {-(-count // size)}
    seen = []
    for step in zip(*parts, strict=True):
        for batch in step:
            assert batch["image"].shape == (per_process, 1, 1, 4)
            assert batch["mask"].dtype == np.float32
            assert set(batch["mask"].tolist()) <= {0.0, 1.0}
            seen += [
                (number, label)
                for number, label, mask in zip(
                    numbers(batch), batch["label"].tolist(), batch["mask"], strict=True
                )
                if mask
            ]
    assert seen == [(i, i % 7) for i in range(count)]


def test_batches_hold_what_they_promise(stream):
    for batches in (train_batches(stream, batch_size=4, seed=0), eval_batches(stream, batch_size=4)):
        batch = next(batches)
        batches.close()
        assert (batch["image"].dtype, batch["image"].shape) == (np.uint8, (4, 48, 48, 1))
        assert (batch["label"].dtype, batch["label"].shape) == (np.int32, (4,))


@pytest.mark.parametrize(("size", "processes"), [(8, 3), (0, 1), (-4, 2)])
def test_batches_that_do_not_divide(size, processes):
    with pytest.raises(UserError, match=f"a batch of {size} does not divide among {processes} processes"):
        train_batches(numbered(9), batch_size=size, seed=0, process_count=processes)
    with pytest.raises(UserError, match="does not divide"):
        eval_batches(numbered(9), batch_size=size, process_count=processes)


def test_workers_are_for_streams():
    with pytest.raises(UserError, match="cache='stream'"):
        train_batches(numbered(9), batch_size=2, seed=0, workers=2)


def test_closing_leaves_no_thread(stream):
    batches = train_batches(stream, batch_size=8, seed=0)
    next(batches)
    batches.close()
    for thread in threading.enumerate():
        if thread.name.startswith("grain-prefetch"):
            thread.join(timeout=20)
    assert not any(thread.name.startswith("grain-prefetch") for thread in threading.enumerate())


@pytest.mark.slow
def test_workers_give_the_same_batches_and_end(stream):
    batches = train_batches(stream, batch_size=8, seed=3, start_step=2, workers=1)
    from_workers = [next(batches) for _ in range(6)]
    batches.close()
    in_process = train_batches(stream, batch_size=8, seed=3, start_step=2)
    for one, other in zip(from_workers, in_process, strict=False):
        np.testing.assert_array_equal(one["image"], other["image"])
        np.testing.assert_array_equal(one["label"], other["label"])
    in_process.close()
    # Python's own helper for shared memory outlives them, as the tests' server of commands does.
    left = [" ".join(child.cmdline()) for child in psutil.Process().children(recursive=True)]
    assert not [line for line in left if "resource_tracker" not in line and "run_tiny.py serve" not in line]


def test_jax_is_never_imported(tmp_path):
    # Grain imports jax if it can. That costs a worker a second and starts no device; here it cannot.
    copies.write_fer2013_csv(tmp_path, copies.rows(9, 2, 2))
    code = f"""
        import sys
        sys.modules["jax"] = sys.modules["jaxlib"] = None
        from ferjax.data import builders, load
        from ferjax.data.pipeline import check_workers, eval_batches, train_batches
        from ferjax.commands.prepare import prepare
        prepare("fer2013", {str(tmp_path)!r}, {str(tmp_path / "data")!r})
        for cache in ("memory", "stream"):
            source = load("fer2013", "train", {str(tmp_path / "data")!r}, cache=cache)
            assert next(train_batches(source, batch_size=4, seed=0))["image"].shape == (4, 48, 48, 1)
            assert len(list(eval_batches(source, batch_size=4))) == 3
        assert builders.builder_class("toons/avataaars")
        print("done")
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert run.stdout.endswith("done\n"), run.stderr


@pytest.mark.slow
def test_a_program_that_stops_in_the_middle_ends(stream):
    # No close(): neither threads nor workers may keep the process alive.
    code = f"""
        from absl import flags
        from ferjax.data.pipeline import train_batches
        from ferjax.data.records import Records
        from ferjax.data.sources import StreamSource
        if __name__ == "__main__":
            flags.FLAGS.mark_as_parsed()
            source = StreamSource(Records("fer2013", {str(stream._records.folder)!r}, "train"))
            threads = train_batches(source, batch_size=4, seed=0)
            workers = train_batches(source, batch_size=4, seed=0, workers=1)
            assert next(threads)["label"].tolist() == next(workers)["label"].tolist()
            print("done")
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (run.returncode, run.stdout) == (0, "done\n"), run.stderr


def test_more_workers_than_can_be_of_use(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    check_workers(32)
    with pytest.raises(
        UserError, match=r"data\.workers is 33 and this machine has 8 cores: set it to 8 or less"
    ):
        check_workers(33)
    monkeypatch.setattr("os.cpu_count", lambda: None)
    check_workers(16)
