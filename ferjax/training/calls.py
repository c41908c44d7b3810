"""One call to the device: the batches of one or several steps, and the compiled function that takes them."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from ferjax.cluster.mesh import global_batch, global_batches
from ferjax.platform.allocator import give_back_freed
from ferjax.training.setup import Prepared
from ferjax.training.state import TrainState
from ferjax.training.steps import Sums


class StepCalls:
    """Takes one or several training steps at a call.

    With one step a call it is the plain step. With more, all run in the same compiled loop, also where fewer
    are taken, so that a step is rounded alike wherever a call ends.
    """

    def __init__(self, ready: Prepared, most: int) -> None:
        """Compiles nothing yet.

        Args:
            ready: the parts of the run.
            most: steps of a full call, `train.steps_per_call`.
        """
        self._mesh, self._parts, self._most = ready.mesh, ready.parts, most
        self._compiled: set[Any] = set()

    def batch(self, rows: Sequence[dict[str, np.ndarray]]) -> dict[str, Any]:
        """Moves this process's rows `[b, …]` of each step to the devices."""
        if self._most == 1:
            return {**global_batch(rows[0], self._mesh), **self._parts.shared}
        return {**global_batches(rows, self._mesh, self._most), **self._parts.shared}

    def compiles(self, stage: int, count: int) -> bool:
        """Checks whether the next call of `count` steps of a stage compiles first."""
        return self._function(stage, count) not in self._compiled

    def take(
        self, state: TrainState, batch: dict[str, Any], stage: int, count: int
    ) -> tuple[TrainState, Sums]:
        """Takes `count` steps of a stage; nothing moves between host and devices meanwhile.

        Args:
            state: is donated.
            batch: see `batch`.
            stage: from 0 on.
            count: steps, as many as `batch` was made of.

        Returns:
            The new state and the sums of the steps, see `ferjax.training.steps`; `[most]` each if `most` > 1.
        """
        compiles, function = self.compiles(stage, count), self._function(stage, count)
        with jax.transfer_guard("disallow"):
            state, sums = function(state, batch)
        if compiles:
            self._compiled.add(function)
            give_back_freed()
        return state, sums

    def _function(self, stage: int, count: int) -> Any:
        if self._most == 1:
            return self._parts.train_steps[stage]
        return (self._parts.fewer_steps if count < self._most else self._parts.several_steps)[stage]
