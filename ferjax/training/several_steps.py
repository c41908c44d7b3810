"""Several training steps in one compiled loop."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from ferjax.training.state import TrainState
from ferjax.training.steps import SHARED, Batch, Sums


def make_several_steps(
    train_step: Callable[[TrainState, Batch], tuple[TrainState, Sums]], length: int | None
) -> Callable[[TrainState, Batch], tuple[TrainState, Sums]]:
    """Builds `several_steps(state, batches) -> (state, sums)`: one call that takes a step for each batch.

    However many steps a call has, each one is the same loop's body, and so the same in every bit. (The same
    step outside a loop is compiled, and so rounded, a little differently.)

    Args:
        train_step: as `make_train_step` builds it.
        length: S, all of the batches; None takes the first `batches["count"]` of them, a number that the
            program is told each time, for which a GPU has to wait.

    Returns:
        A pure function as `train_step`, of arrays with one more axis in front, over the steps: batches
        `[S, B, …]`, sums `[S]`, of which only those of steps that were taken mean anything. What
        `SHARED` names is the same in all steps and has no such axis.
    """

    def several_steps(state: TrainState, batches: Batch) -> tuple[TrainState, Sums]:
        stacked = {name: values for name, values in batches.items() if name not in (*SHARED, "count")}
        shared = {name: values for name, values in batches.items() if name in SHARED}

        def taken(state: TrainState, step: Array | int) -> tuple[TrainState, Sums]:
            batch = {name: values[step] for name, values in stacked.items()}
            return train_step(state, {**batch, **shared})

        def body(step: Array, carry: tuple[TrainState, Sums]) -> tuple[TrainState, Sums]:
            state, sums = carry
            state, own = taken(state, step)
            return state, {name: values.at[step].set(own[name]) for name, values in sums.items()}

        most = len(next(iter(stacked.values())))
        shapes = jax.eval_shape(taken, state, 0)[1]
        sums = {name: jnp.zeros((most, *shape.shape), shape.dtype) for name, shape in shapes.items()}
        return jax.lax.fori_loop(0, batches["count"] if length is None else length, body, (state, sums))

    return several_steps
