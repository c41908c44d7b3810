"""Scores a whole split: every example once, the same number of steps on every process."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from ferjax.cluster.mesh import global_batch
from ferjax.data.pipeline import eval_batches
from ferjax.data.sources import Source
from ferjax.scores.confusion import accuracy, macro_f1, mean_class_accuracy


def evaluate(
    eval_step: Callable[[Any, dict[str, jax.Array]], dict[str, jax.Array]],
    variables: Any,
    source: Source,
    batch_size: int,
    mesh: Mesh,
) -> tuple[float, np.ndarray]:
    """Evaluates a split.

    Args:
        eval_step: jitted, as `ferjax.training.steps.make_eval_step` builds it.
        variables: `{"params", "batch_stats"}`.
        source: the split.
        batch_size: of all processes together.
        mesh: the devices.

    Returns:
        The mean cross entropy and the confusion matrix int64 `[K, K]` (rows actual, columns predicted).
    """
    return evaluate_rows(eval_step, variables, source, batch_size, mesh)[:2]


def evaluate_rows(
    eval_step: Callable[[Any, dict[str, jax.Array]], dict[str, jax.Array]],
    variables: Any,
    source: Source,
    batch_size: int,
    mesh: Mesh,
) -> tuple[float, np.ndarray, np.ndarray]:
    """Evaluates a split, and also returns the log-probabilities of its examples in order: float32 `[N, K]`.

    One pass and one compiled step serve both; every process gets all rows.
    """
    batches = eval_batches(
        source,
        batch_size=batch_size,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
    )
    pending = [eval_step(variables, global_batch(rows, mesh)) for rows in batches]
    sums = [jax.device_get(part) for part in pending]
    loss = sum(float(part["loss"]) for part in sums)
    count = sum(float(part["count"]) for part in sums)
    confusion = np.stack([part["confusion"] for part in sums]).sum(0, dtype=np.int64)
    rows = np.concatenate([part["log_probabilities"] for part in sums])[: len(source)]
    return loss / count, confusion, rows.astype(np.float32)


def scores(loss: float, confusion: np.ndarray) -> dict[str, float]:
    """Returns `loss`, `accuracy`, `mean_class_accuracy` and `macro_f1` of a split."""
    return {
        "loss": loss,
        "accuracy": accuracy(confusion),
        "mean_class_accuracy": mean_class_accuracy(confusion),
        "macro_f1": macro_f1(confusion),
    }
