"""The order in which training visits examples: a function of the seed and the step alone.

Whole splits are shuffled as a whole: of all orders of an epoch each is as likely as any other. In parts, each
part is shuffled by itself and gives the same rows of every batch, so that a host reads its own parts only.
"""

import itertools
import threading
from collections.abc import Sequence

import numpy as np

from ferjax.data.balance import Epochs, Part
from ferjax.errors import UserError

# Two epochs meet in a batch, and threads that read ahead are in either.
_KEPT = 2


class ShuffledOrder:
    """Finds the examples of a step. (Grain's own shuffle takes one index at a time: 30 times slower.)

    The order of an epoch takes eight bytes an example; it is drawn once for all threads. A pickle holds the
    arguments only.

    Args:
        epochs: which examples an epoch visits.
        batch_size: rows of a step.
        seed: any integer.
    """

    def __init__(self, epochs: Epochs, batch_size: int, seed: int) -> None:
        self._epochs, self._batch_size, self._seed = epochs, batch_size, seed
        self._orders: dict[int, np.ndarray] = {}
        self._drawing = threading.Lock()

    def __reduce__(self) -> tuple:
        return ShuffledOrder, (self._epochs, self._batch_size, self._seed)

    def rows(self, step: int, rows: slice) -> np.ndarray:
        """Returns the examples of some rows of a step's batch: int64."""
        epoch, start = divmod(step * self._batch_size, len(self._epochs))
        indices = self._order(epoch)[start : start + self._batch_size]
        while len(indices) < self._batch_size:
            epoch += 1
            missing = self._batch_size - len(indices)
            indices = np.concatenate([indices, self._order(epoch)[:missing]])
        return indices[rows]

    def _order(self, epoch: int) -> np.ndarray:
        with self._drawing:
            order = self._orders.get(epoch)
            if order is None:
                while len(self._orders) >= _KEPT:
                    del self._orders[min(self._orders)]
                order = self._orders[epoch] = self._epochs.order(self._seed, epoch)
            return order


class PartedOrder:
    """Finds the examples of a step where each part of the split gives the same rows of every batch.

    Every part visits each of its examples once before it begins anew. Parts differ by one example at most,
    so none is ahead of another by more than an example an epoch.

    Args:
        length: examples of the split.
        parts: how many; each is a stretch of the stored examples.
        batch_size: rows of a step; a multiple of `parts`.
        seed: any integer.

    Raises:
        UserError: the parts do not divide a batch, or there are more of them than examples.
    """

    def __init__(self, length: int, parts: int, batch_size: int, seed: int) -> None:
        if batch_size % parts or parts > length:
            raise UserError(
                f"data.shuffle_parts is {parts}: it must divide train.batch_size ({batch_size}) and be "
                f"at most the number of training images ({length:,})"
            )
        cuts = [part * length // parts for part in range(parts + 1)]
        self._rows = batch_size // parts
        self._orders: Sequence[ShuffledOrder] = [
            ShuffledOrder(Part(number, start, end - start), self._rows, seed)
            for number, (start, end) in enumerate(itertools.pairwise(cuts))
        ]

    def rows(self, step: int, rows: slice) -> np.ndarray:
        """Returns the examples of some rows of a step's batch: int64; only their parts are drawn."""
        first, last = rows.start // self._rows, -(-rows.stop // self._rows)
        each = [order.rows(step, slice(None)) for order in self._orders[first:last]]
        return np.concatenate(each)[rows.start - first * self._rows :][: rows.stop - rows.start]
