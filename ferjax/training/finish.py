"""How a run ends: the best step is scored on validation and, once, on test."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jax
from jax.experimental import multihost_utils
from ml_collections import ConfigDict

from ferjax.data.sources import Source
from ferjax.files import write_json_atomic
from ferjax.platform.machine import describe_devices, describe_machine, peak_memory
from ferjax.platform.versions import library_versions
from ferjax.runs import predictions, pretraining_pictures, pretraining_result
from ferjax.runs.checkpoints import Checkpoints
from ferjax.runs.prediction_scores import affect_scores, probability_scores
from ferjax.runs.predictions import Predictions
from ferjax.runs.result_content import Cost, Environment, Scores, Training, build_result
from ferjax.runs.workdir import RESULT
from ferjax.training.evaluate import all_scores, evaluate_rows
from ferjax.training.metric_writers import Writer
from ferjax.training.progress import Progress
from ferjax.training.setup import Prepared
from ferjax.training.start import Begun
from ferjax.training.state import TrainState
from ferjax.training.without_labels import WithoutClasses, draw_pictures, evaluate_loss

PICTURES = 8  # validation images that a run of pre-training shows in its report


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
        state: of the last step; its arrays are deleted unless that is the best one.
        checkpoints: all of them written.
        writer: takes the row of the test.

    Returns:
        The content of `result.json`.
    """
    best_step = begun.progress.best_step
    state = _best_state(best_step, ready, state, checkpoints)
    by_split = {}
    for split in (ready.validation, _test_split(ready)):
        found = evaluate_rows(
            ready.parts.eval_step, state.variables, split, config.eval.batch_size, ready.mesh
        )
        by_split[split.split] = Predictions.of(split, found.log_probabilities, best_step, found.affect)
    writer.write(best_step, "test", all_scores(found, _test_split(ready)))
    first = jax.process_index() == 0
    tested = Scores(
        best_step=best_step,
        validation=begun.progress.best,
        test_loss=found.loss,
        test_confusion=found.confusion,
        # Only the first process keeps the result.
        probabilities=probability_scores(by_split["test"], by_split["validation"]) if first else None,
        overlap=begun.overlap,
        best_on_test=begun.progress.best_on_test,
        affect=affect_scores(by_split["test"]) if first else None,
    )
    training = _training(config, ready, begun, checkpoints)
    result = build_result(training, tested, _cost(ready, begun.progress), _environment())
    if first:
        for split_predictions in by_split.values():
            predictions.save(workdir, split_predictions)
        write_json_atomic(workdir / RESULT, result)
    return result


def finish_pretraining(
    config: ConfigDict,
    workdir: Path,
    ready: Prepared,
    begun: Begun,
    state: TrainState,
    checkpoints: Checkpoints,
    writer: Writer,
) -> dict[str, Any]:
    """Ends a run without classes: the chosen step's losses, and some pictures of what it learnt.

    Arguments and result are those of `finish`.
    """
    best_step, model = begun.progress.best_step, ready.parts.model
    assert isinstance(model, WithoutClasses)  # as `ferjax.training.network.create_model` makes it
    state = _best_state(best_step, ready, state, checkpoints)
    losses = {
        split.split: evaluate_loss(config, ready.parts.eval_step, state.variables, split, ready.mesh)
        for split in (ready.validation, _test_split(ready))
    }
    writer.write(best_step, "test", {"loss": losses["test"]})
    result = pretraining_result.build(
        config.pretrain.method,
        _training(config, ready, begun, checkpoints),
        best_step,
        losses,
        begun.overlap,
        _cost(ready, begun.progress),
        _environment(),
    )
    variables = multihost_utils.process_allgather(state.variables, tiled=True)
    if jax.process_index() == 0:
        pictures = draw_pictures(model, config, variables, ready.validation, PICTURES)
        pretraining_pictures.save(workdir, pictures)
        write_json_atomic(workdir / RESULT, result)
    return result


def _best_state(best_step: int, ready: Prepared, last: TrainState, checkpoints: Checkpoints) -> TrainState:
    """Returns the state of the best step; if that is not the last one, the last state is gone afterwards."""
    if best_step == int(last.step):
        return last
    # Before the best one is read: a device must not hold both. Callers still refer to the last state, so
    # that its arrays are deleted, not only forgotten.
    for leaf in jax.tree.leaves(last):
        leaf.delete()
    return checkpoints.restore(best_step, ready.parts.like)[0]


def _test_split(ready: Prepared) -> Source:
    assert ready.test is not None  # only a trial of a search has none, and that ends without this
    return ready.test


def _training(config: ConfigDict, ready: Prepared, begun: Begun, checkpoints: Checkpoints) -> Training:
    last_step, splits = checkpoints.steps()[-1], (ready.train, ready.validation, _test_split(ready))
    return Training(
        model=config.model.name,
        dataset=config.data.name,
        label_names=ready.train.label_names,
        seed=config.train.seed,
        steps=last_step,
        epochs=last_step / ready.parts.plan.per_epoch,
        split_digests={split.split: split.digest() for split in splits},
        init=begun.initial_weights,
        relabel=begun.facts.get("relabel"),
    )


def _cost(ready: Prepared, progress: Progress) -> Cost:
    return Cost(
        seconds=progress.seconds,
        images_per_second=progress.images / max(progress.training_seconds, 1e-9),
        data_wait_fraction=progress.waited_seconds / max(progress.training_seconds, 1e-9),
        peak_memory_bytes=peak_memory(),
        parameters=sum(leaf.size for leaf in jax.tree.leaves(ready.parts.like.params)),
    )


def _environment() -> Environment:
    return Environment(describe_devices(), library_versions(), datetime.now(UTC), describe_machine())
