"""How a run ends: the best step is scored on validation and, once, on test."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jax
from ml_collections import ConfigDict

from ferjax.files import write_json_atomic
from ferjax.platform.machine import describe_devices, describe_machine, peak_memory
from ferjax.platform.versions import library_versions
from ferjax.runs import predictions
from ferjax.runs.checkpoints import Checkpoints
from ferjax.runs.predictions import Predictions
from ferjax.runs.result import (
    Cost,
    Environment,
    Scores,
    Training,
    affect_scores,
    build_result,
    probability_scores,
)
from ferjax.runs.workdir import RESULT
from ferjax.training.evaluate import all_scores, evaluate_rows
from ferjax.training.metric_writers import Writer
from ferjax.training.setup import Prepared
from ferjax.training.start import Begun
from ferjax.training.state import TrainState


def finish(
    config: ConfigDict,
    workdir: Path,
    ready: Prepared,
    begun: Begun,
    state: TrainState,
    checkpoints: Checkpoints,
    writer: Writer,
) -> dict[str, Any]:
    """Tests the step that validation chose, and writes predictions and `result.json`.

    Args:
        config: of the run.
        workdir: of the run.
        ready: its data and steps.
        begun: how it began; its progress is the loop's.
        state: of the last step.
        checkpoints: all of them written.
        writer: takes the row of the test.

    Returns:
        The content of `result.json`.
    """
    assert ready.test is not None  # only a trial of a search has none, and that ends without this
    progress, best_step = begun.progress, begun.progress.best_step
    if best_step != int(state.step):
        del state  # frees the last weights before the best ones are read
        state, _ = checkpoints.restore(best_step, ready.parts.like)
    by_split = {}
    for split in (ready.validation, ready.test):
        found = evaluate_rows(
            ready.parts.eval_step, state.variables, split, config.eval.batch_size, ready.mesh
        )
        by_split[split.split] = Predictions.of(split, found.log_probabilities, best_step, found.affect)
    writer.write(best_step, "test", all_scores(found, ready.test))
    first = jax.process_index() == 0
    last_step = checkpoints.steps()[-1]
    training = Training(
        model=config.model.name,
        dataset=config.data.name,
        label_names=ready.train.label_names,
        seed=config.train.seed,
        steps=last_step,
        epochs=last_step / ready.parts.plan.per_epoch,
        split_digests={split.split: split.digest() for split in (ready.train, ready.validation, ready.test)},
        init=begun.initial_weights,
        relabel=begun.facts.get("relabel"),
    )
    tested = Scores(
        best_step=best_step,
        validation=progress.best,
        test_loss=found.loss,
        test_confusion=found.confusion,
        # Only the first process keeps the result.
        probabilities=probability_scores(by_split["test"], by_split["validation"]) if first else None,
        overlap=begun.overlap,
        best_on_test=progress.best_on_test,
        affect=affect_scores(by_split["test"]) if first else None,
    )
    cost = Cost(
        seconds=progress.seconds,
        images_per_second=progress.images / max(progress.training_seconds, 1e-9),
        data_wait_fraction=progress.waited_seconds / max(progress.training_seconds, 1e-9),
        peak_memory_bytes=peak_memory(),
        parameters=sum(leaf.size for leaf in jax.tree.leaves(ready.parts.like.params)),
    )
    environment = Environment(describe_devices(), library_versions(), datetime.now(UTC), describe_machine())
    result = build_result(training, tested, cost, environment)
    if first:
        for split_predictions in by_split.values():
            predictions.save(workdir, split_predictions)
        write_json_atomic(workdir / RESULT, result)
    return result
