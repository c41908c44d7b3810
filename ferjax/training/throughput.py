"""Adds up what the training steps return, without making the device wait."""

import contextlib
import math
import time
from collections.abc import Iterator, Mapping

import jax
import numpy as np

from ferjax.errors import UserError
from ferjax.training.progress import Progress

# Calls that may be queued on the device before the host waits: enough to keep it busy, few enough that
# a stop request is obeyed soon.
IN_FLIGHT = 2
# What is no total of a batch: the last step's value is reported.
_LAST = ("learning_rate", "relabelled")


class Diverged(UserError):
    """A loss is not finite."""


class Meter:
    """Means since the last report; the times go into `Progress`."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._pending: list[tuple[int, Mapping[str, jax.Array], int]] = []
        self._began: float | None = None
        self._waited = 0.0
        self._loop_began = time.perf_counter() - progress.seconds

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Counts the time inside as waiting for a batch."""
        began = time.perf_counter()
        yield
        self._waited += time.perf_counter() - began

    def count_time(self) -> None:
        """Brings `Progress.seconds` up to now."""
        self._progress.seconds = time.perf_counter() - self._loop_began

    def add(self, step: int, sums: Mapping[str, jax.Array], count: int = 1) -> None:
        """Adds a call's sums; blocks until all but the last `IN_FLIGHT` calls are done.

        Args:
            step: the last one of the call.
            sums: of its one step; or of each of its steps, `[S]`.
            count: how many steps it has taken, at most S.
        """
        self._pending.append((step, sums, count))
        if len(self._pending) > IN_FLIGHT:
            jax.block_until_ready(self._pending[-1 - IN_FLIGHT][1])

    def report(self) -> dict[str, float]:
        """Returns means: `loss`, `accuracy`, `learning_rate`, and `images_per_second` unless a step compiled.

        There is no accuracy in pre-training.
        Also the mean of every further loss: `auxiliary_loss`, the network's own, and those of methods; and
        `relabelled`, how many examples have had their label replaced.

        Raises:
            Diverged: a loss is not finite.
        """
        rows = [row for call in self._pending for row in _by_step(*call)]
        self._pending = []
        for step, sums in rows:
            if not math.isfinite(sums["loss"]):
                raise Diverged(
                    f"the loss is {sums['loss']} at step {step}: the run has diverged; lower "
                    "schedule.learning_rate or set optimizer.clip_norm, in a new --workdir"
                )
        # Where a stage ends among them, not all have the same losses.
        names = [name for name in rows[0][1] if all(name in sums for _, sums in rows)]
        total = {name: sum(sums[name] for _, sums in rows) for name in names}
        accuracy = {"accuracy": total["correct"] / total["count"]} if "correct" in total else {}
        values = {
            "loss": total["loss"] / total["weight"],
            **accuracy,
            **{name: rows[-1][1][name] for name in _LAST if name in total},
        }
        values |= {name: total[name] / total["count"] for name in total if name.endswith("_loss")}
        if self._began is not None:
            seconds = time.perf_counter() - self._began
            values["images_per_second"] = total["count"] / seconds
            self._progress.training_seconds += seconds
            self._progress.waited_seconds += self._waited
            self._progress.images += int(total["count"])
        self.start()
        return values

    def skip_speed(self) -> None:
        """Leaves the speed out of the next report: the call that comes compiles."""
        self._began = None

    def start(self) -> None:
        """Starts the clock; called after each pause."""
        self._began, self._waited = time.perf_counter(), 0.0


def _by_step(last: int, sums: Mapping[str, jax.Array], count: int) -> list[tuple[int, dict[str, float]]]:
    """Returns a call's steps and the sums of each."""
    columns = {name: np.atleast_1d(values) for name, values in jax.device_get(sums).items()}
    return [
        (last - count + 1 + i, {name: float(values[i]) for name, values in columns.items()})
        for i in range(count)
    ]
