"""Gradients of a batch in parts, one after another, to save memory."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

Batch = dict[str, Any]
Sums = dict[str, Array]


def in_parts(
    gradients: Callable[..., tuple[Any, Any, Sums]],
    batch_stats: Any,
    batch: Batch,
    key: Key[Array, ""],
    parts: int,
) -> tuple[Any, Any, Sums]:
    """Adds the gradients of `parts` smaller batches one after another.

    Part a takes rows a, a + parts, …: on a sharded batch every device keeps its own rows.

    Args:
        gradients: `f(batch_stats, rows, key) -> (gradients, batch_stats, sums)` of a smaller batch.
        batch_stats: running statistics, which each part moves in turn.
        batch: rows `[B, …]`.
        key: each part folds its number in.
        parts: a divisor of B.
    """

    def split(x: Array) -> Array:
        return x.reshape(x.shape[0] // parts, parts, *x.shape[1:]).swapaxes(0, 1)

    def body(carry: tuple[Any, Any, Sums], item: tuple[Batch, Array]) -> tuple[tuple[Any, Any, Sums], None]:
        grads, stats, sums = carry
        rows, index = item
        new_grads, stats, new_sums = gradients(stats, rows, jax.random.fold_in(key, index))
        return (jax.tree.map(jnp.add, grads, new_grads), stats, jax.tree.map(jnp.add, sums, new_sums)), None

    parts_of_batch = jax.tree.map(split, batch)
    first = jax.tree.map(lambda x: x[0], parts_of_batch)
    shapes, _, sums = jax.eval_shape(gradients, batch_stats, first, key)
    zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), (shapes, sums))
    carry = (zeros[0], batch_stats, zeros[1])
    return jax.lax.scan(body, carry, (parts_of_batch, jnp.arange(parts)))[0]
