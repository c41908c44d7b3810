"""Scores a whole split: every example once, the same number of steps on every process."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from ferjax.cluster.mesh import global_batch
from ferjax.data.pipeline import eval_batches
from ferjax.data.sources import Source
from ferjax.scores.affect import DIMENSIONS, ccc
from ferjax.scores.confusion import accuracy, macro_f1, mean_class_accuracy


class Evaluated(NamedTuple):
    """The outcome of a split of N examples.

    Attributes:
        loss: the mean cross entropy.
        confusion: int64 `[K, K]`, rows actual, columns predicted.
        log_probabilities: float32 `[N, K]`.
        affect: predicted valence and arousal, float32 `[N, 2]`; None without a head for them.
    """

    loss: float
    confusion: np.ndarray
    log_probabilities: np.ndarray
    affect: np.ndarray | None = None


def evaluate_rows(
    eval_step: Callable[[Any, dict[str, jax.Array]], dict[str, jax.Array]],
    variables: Any,
    source: Source,
    batch_size: int,
    mesh: Mesh,
) -> Evaluated:
    """Evaluates a split: one pass and one compiled step give all scores and all predictions.

    Args:
        eval_step: jitted, as `ferjax.training.steps.make_eval_step` builds it.
        variables: `{"params", "batch_stats"}`.
        source: the split.
        batch_size: of all processes together.
        mesh: the devices.

    Returns:
        The same on every process; predictions are in the order of the split.
    """
    sums = evaluated_batches(eval_step, variables, source, batch_size, mesh)
    loss = sum(float(part["loss"]) for part in sums)
    count = sum(float(part["count"]) for part in sums)
    confusion = np.stack([part["confusion"] for part in sums]).sum(0, dtype=np.int64)
    rows, values = (
        np.concatenate([part[name] for part in sums])[: len(source)].astype(np.float32)
        if name in sums[0]
        else None
        for name in ("log_probabilities", "affect")
    )
    assert rows is not None  # every evaluation step gives them
    return Evaluated(loss / count, confusion, rows, values)


def evaluated_batches(
    eval_step: Callable[[Any, dict[str, jax.Array]], dict[str, jax.Array]],
    variables: Any,
    source: Source,
    batch_size: int,
    mesh: Mesh,
    indexed: bool = False,
) -> list[dict[str, np.ndarray]]:
    """Returns what an evaluation step gives of each batch of a split, the same on every process.

    Arguments are those of `evaluate_rows`; `indexed`: batches also hold `index`, see
    `ferjax.data.pipeline.eval_batches`.
    """
    batches = eval_batches(
        source,
        batch_size=batch_size,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
        indexed=indexed,
    )
    # All are started before one is waited for.
    pending = [eval_step(variables, global_batch(rows, mesh)) for rows in batches]
    return [jax.device_get(part) for part in pending]


def scores(loss: float, confusion: np.ndarray) -> dict[str, float]:
    """Returns `loss`, `accuracy`, `mean_class_accuracy` and `macro_f1` of a split."""
    return {
        "loss": loss,
        "accuracy": accuracy(confusion),
        "mean_class_accuracy": mean_class_accuracy(confusion),
        "macro_f1": macro_f1(confusion),
    }


def all_scores(found: Evaluated, source: Source) -> dict[str, float]:
    """Returns what `scores` does, and where valence and arousal are predicted and known also their CCC.

    Args:
        found: the outcome.
        source: the split.

    Returns:
        Beside the names of `scores`: `valence_ccc` and `arousal_ccc`, in [−1, 1]; each only where it is
        defined.
    """
    values = scores(found.loss, found.confusion)
    if found.affect is None or source.affect is None:
        return values
    for column, name in enumerate(DIMENSIONS):
        known = ~np.isnan(source.affect[:, column])
        value = ccc(found.affect[known, column], source.affect[known, column])
        if np.isfinite(value):
            values[f"{name}_ccc"] = value
    return values
