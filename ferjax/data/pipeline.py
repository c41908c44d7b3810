"""The input pipeline: makes batches from a source, with Grain.

The content of a batch depends on the seed and the step alone. A process takes a contiguous slice of the
rows of every global batch, so the rows of all processes, one after the other, are the batch that one
process would have made. Training resumes by starting at a step: there is no iterator state to store.
"""

import dataclasses
import os
import sys

import grain
import numpy as np

from ferjax.data.balance import epochs
from ferjax.data.shuffle import PartedOrder, ShuffledOrder
from ferjax.data.sources import Source
from ferjax.errors import UserError

# Batches that are ready before they are asked for.
AHEAD = 2


def train_batches(
    source: Source,
    *,
    batch_size: int,
    seed: int,
    start_step: int = 0,
    process_index: int = 0,
    process_count: int = 1,
    workers: int = 0,
    balance: str = "none",
    groups: str = "",
    indexed: bool = False,
    parts: int = 1,
) -> grain.DatasetIterator:
    """Iterates over shuffled batches without end.

    Every epoch is a new order that visits each example once, or each class equally often, or the sets of a
    mixture by their weights. The order has no gaps: a batch may hold the end of one epoch and the start of
    the next.

    Args:
        source: where the examples come from.
        batch_size: rows of the global batch, over all processes.
        seed: any integer; the order of the examples depends on it alone.
        start_step: the step of the first batch. Starting at s gives what follows after s batches.
        process_index: of this process, 0 … process_count − 1.
        process_count: of all processes that train together.
        workers: processes that read and decode a streamed source; 0 uses threads.
        balance: one of `ferjax.data.balance.NAMES`; "oversample" shows as many examples of every class as the
            largest has.
        groups: what is balanced with "oversample_groups" and "draw_groups", see
            `ferjax.data.training_groups`.
        indexed: whether batches also hold `index`, int32 [b], the examples' places in the source.
        parts: of the split that are shuffled apart, see `ferjax.data.shuffle.PartedOrder`; with n processes
            and a multiple of n parts, each process reads one nth of the split.

    Returns:
        An iterator of {"image": uint8 [b, H, W, C], "label": int32 [b]} with b = batch_size //
        process_count. Call its `close()` when done; it ends threads and workers.

    Raises:
        UserError: batch_size does not divide among the processes or parts, or workers for decoded images.
    """
    if workers and not source.streamed:
        raise UserError("decoded data needs no workers: set workers=0, or cache='stream'")
    order = (
        PartedOrder(len(source), parts, batch_size, seed)
        if parts > 1
        else ShuffledOrder(epochs(source, balance, groups), batch_size, seed)
    )
    rows = _rows(batch_size, process_index, process_count)
    steps = grain.MapDataset.range(sys.maxsize).map(_TrainBatch(source, order, rows, indexed))
    batches = steps[start_step:].to_iter_dataset(_read_options(source, workers))
    if workers:
        batches = batches.mp_prefetch(
            grain.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=AHEAD)
        )
    return iter(batches)


def eval_batches(
    source: Source,
    *,
    batch_size: int,
    process_index: int = 0,
    process_count: int = 1,
    indexed: bool = False,
) -> grain.DatasetIterator:
    """Iterates once over a source, in order, in the same number of steps on every process.

    Args:
        source: where the examples come from.
        batch_size: rows of the global batch, over all processes.
        process_index: of this process, 0 … process_count − 1.
        process_count: of all processes that evaluate together.
        indexed: whether batches also hold `index`, int32 [b], the examples' places in the source.

    Returns:
        An iterator of `ceil(len(source) / batch_size)` batches {"image": uint8 [b, H, W, C], "label":
        int32 [b], "mask": float32 [b]}. The mask is 1 for an example and 0 for the rows that fill up the
        last batch. Call its `close()` if it is not run to its end.

    Raises:
        UserError: batch_size does not divide among the processes.
    """
    rows = _rows(batch_size, process_index, process_count)
    steps = grain.MapDataset.range(-(-len(source) // batch_size)).map(
        _EvalBatch(source, batch_size, rows, indexed)
    )
    return iter(steps.to_iter_dataset(_read_options(source)))


def check_workers(workers: int) -> None:
    """Refuses more processes than can be of use: each takes a second of a core and 200 MB to start.

    Raises:
        UserError: more than four for each core, and more than 16.
    """
    cores = os.cpu_count() or 1
    if workers > max(4 * cores, 16):
        raise UserError(
            f"data.workers is {workers:,} and this machine has {cores} cores: set it to {cores} or less"
        )


def decoding_threads() -> int:
    """Returns how many threads decode a streamed source without workers: one a core, at most 8."""
    return min(os.cpu_count() or 1, 8)


@dataclasses.dataclass(frozen=True)
class _TrainBatch:
    source: Source
    order: ShuffledOrder | PartedOrder
    rows: slice
    indexed: bool

    def __call__(self, step: int) -> dict[str, np.ndarray]:
        indices = self.order.rows(step, self.rows)
        batch = self.source.take(indices)
        return {**batch, "index": indices.astype(np.int32)} if self.indexed else batch


@dataclasses.dataclass(frozen=True)
class _EvalBatch:
    source: Source
    batch_size: int
    rows: slice
    indexed: bool

    def __call__(self, step: int) -> dict[str, np.ndarray]:
        places = np.arange(step * self.batch_size, (step + 1) * self.batch_size)[self.rows]
        # The rows that fill up repeat the last example.
        indices = np.minimum(places, len(self.source) - 1)
        batch = {**self.source.take(indices), "mask": (places < len(self.source)).astype(np.float32)}
        return {**batch, "index": indices.astype(np.int32)} if self.indexed else batch


def _rows(batch_size: int, process_index: int, process_count: int) -> slice:
    if batch_size < 1 or batch_size % process_count:
        raise UserError(f"a batch of {batch_size} does not divide among {process_count} processes")
    rows = batch_size // process_count
    return slice(process_index * rows, (process_index + 1) * rows)


def _read_options(source: Source, workers: int = 0) -> grain.ReadOptions:
    if source.quick:
        return grain.ReadOptions(num_threads=0, prefetch_buffer_size=0)
    threads = 1 if workers else decoding_threads()
    return grain.ReadOptions(num_threads=threads, prefetch_buffer_size=max(AHEAD, threads))
