"""Scores the best weights of a run on any data set, also one with other classes."""

import contextlib
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np
from jax.sharding import Mesh
from ml_collections import ConfigDict

from ferjax import data
from ferjax.cluster.mesh import check_batch, make_mesh, replicated
from ferjax.data import builders
from ferjax.data.label_spaces import ABSENT, BridgedSource, bridge
from ferjax.data.records import Records, describe
from ferjax.data.sources import Source, StreamSource
from ferjax.errors import UserError
from ferjax.files import user_path, write_json_atomic
from ferjax.inference.open_run import open_network
from ferjax.inference.trained import IMPORTED, check_has_classes
from ferjax.platform.machine import describe_devices
from ferjax.platform.versions import library_versions
from ferjax.runs import predictions, weights
from ferjax.runs.checkpoint_files import Damaged
from ferjax.runs.checkpoints import Checkpoints
from ferjax.runs.prediction_scores import affect_scores, probability_scores
from ferjax.runs.predictions import Predictions
from ferjax.runs.result import read_result
from ferjax.runs.stored_config import stored_config
from ferjax.runs.workdir import RESULT, claim
from ferjax.scores import groups
from ferjax.scores.confusion import summary
from ferjax.training import contamination, memory, optimizers, setup, transfer
from ferjax.training.evaluate import evaluate_rows
from ferjax.training.head import head_of
from ferjax.training.splits import load_split
from ferjax.training.state import TrainState

logger = logging.getLogger(__name__)


def evaluate_run(
    workdir: Path | str,
    dataset: str = "",
    split: str = "test",
    data_dir: str = "",
    merges: Mapping[str, str] | None = None,
    attributes: Sequence[str] = (),
    smallest_group: int = groups.SMALLEST,
) -> dict[str, Any]:
    """Scores the best checkpoint of a run and writes `evaluations/DATASET-SPLIT.*` in its workdir.

    It writes the scores (`.json`), the prediction for every example (`.npz`), and a folder with the
    predictions as `predict.csv` and `ground_truth.csv`.

    Classes without an example in the set get probability zero, and the rest is renormalised. Examples of
    classes that the network lacks are left out, or count as another class.

    Args:
        workdir: a run's folder, finished or not; no other process may be writing it.
        dataset: one of `ferjax.data.builders.names()`; the set that the run was trained on if empty.
        split: the split of that set.
        data_dir: the folder of built sets; the run's own if empty.
        merges: class that the network lacks → class that it counts as.
        attributes: those to measure by; all that the set has if empty.
        smallest_group: images that a group needs to be compared.

    Returns:
        The content of the `.json`: `dataset`, `split`, `step`, `test` (as in `result.json`, over the classes
        that can occur), `probabilities` and `affect` (see `ferjax.runs.prediction_scores`), `masked`,
        `dropped`, `merged`, `groups` where the set has attributes (see `ferjax.scores.groups.measure`), and
        where the numbers come from.

    Raises:
        UserError: no run, no such set, split or attribute, or classes that cannot be merged.
    """
    workdir = user_path(workdir)
    stored, config = stored_config(workdir)
    check_has_classes(config, workdir)
    imported = config.data.name == IMPORTED
    if imported and not dataset:
        raise UserError(f"{workdir} was imported, and has no data set of its own: name one with --dataset")
    dataset = dataset or config.data.name
    folder = data_dir or config.data.dir
    mesh = make_mesh(ConfigDict({"data": -1, "fsdp": 1}))
    check_batch(config.eval.batch_size, 1, mesh, "eval.batch_size")
    with claim(workdir, stored, writes=True):
        names, model, variables, step = (_imported if imported else _trained)(workdir, config, mesh)

        source = load_for(config, dataset, split, folder)
        chosen = groups.chosen(source.attributes, attributes, f"{dataset} {split}")
        overlap = _overlap(workdir, config, source, folder)
        present = present_classes(dataset, source, folder)
        across = bridge(names, source.label_names, present, merges)
        bridged = BridgedSource(source, names, across.targets)
        eval_step = jax.jit(
            setup.build_eval_step(config, model, across.allowed), out_shardings=replicated(mesh)
        )
        found = evaluate_rows(eval_step, variables, bridged, config.eval.batch_size, mesh)

        allowed = np.flatnonzero(across.allowed)
        kept = [names[i] for i in allowed]
        scored = Predictions(
            dataset, split, source.digest(), step, tuple(kept), bridged.indices,
            np.searchsorted(allowed, bridged.labels), found.log_probabilities[:, allowed],
            found.affect, None if found.affect is None else bridged.affect, bridged.attributes,
        )  # fmt: skip
        asked = {name: scored.attributes[name] for name in chosen}
        by_group = (
            groups.measure(scored.labels, scored.log_probabilities, asked, smallest_group) if asked else None
        )
        scores = {
            "model": config.model.name,
            "trained_on": config.data.name,
            "dataset": dataset,
            "split": split,
            "step": step,
            "label_names": kept,
            "masked": [name for name in names if name not in kept],
            "dropped": bridged.dropped,
            "merged": _merged(source, names, across.targets, present),
            "test": {"loss": found.loss, **summary(found.confusion[np.ix_(allowed, allowed)], kept)},
            "probabilities": probability_scores(scored, _validation(workdir, config, step)),
            "affect": affect_scores(scored),
            **({"groups": by_group} if by_group else {}),
            "split_digest": scored.split_digest,
            "overlap": overlap,
            "crops": config.eval.crops,
            "device": describe_devices(),
            "versions": library_versions(),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        path = predictions.save(workdir, scored)
        predictions.write_csv(path.with_suffix(""), scored)
        write_json_atomic(predictions.place(workdir, dataset, split, "json"), scores)
    return scores


def _trained(
    workdir: Path, config: ConfigDict, mesh: Mesh
) -> tuple[tuple[str, ...], nn.Module, dict[str, Any], int]:
    """Reads a run's classes, network, best weights and their step."""
    names = _label_names(workdir, config)
    with memory.measured_layers() as layers:
        model = setup.build_model(config, len(names))
    memory.check_evaluation(config, layers, mesh)
    # Only training uses the learning rate; the state has the same shapes for any.
    tx = optimizers.create(config.optimizer, lambda step: 0.0)
    size = setup.image_shape(config)
    meta = weights.load_meta(workdir) if config.loss.scn or config.loss.group_dro else {}
    examples = meta["set"]["examples"]["train"] if config.loss.scn else 0
    head = head_of(config, model, size, examples, per_epoch=1)
    count = len(meta["groups"]) if config.loss.group_dro else 0
    state, step = _best(workdir, config, setup.state_layout(config, model, tx, mesh, head, count)[1])
    return names, model, state.variables, step


def _imported(
    workdir: Path, config: ConfigDict, mesh: Mesh
) -> tuple[tuple[str, ...], nn.Module, dict[str, Any], int]:
    """Reads the same of an import, which has no more than weights."""
    network = open_network(workdir)
    return network.label_names, network.model, jax.device_put(network.variables, replicated(mesh)), 0


def _overlap(workdir: Path, config: ConfigDict, source: StreamSource, data_dir: str) -> dict[str, Any]:
    """Counts the scored images that the weights were trained on, and warns of any."""
    if config.data.name == IMPORTED:
        overlap = {**contamination.find(source, []), "unchecked": ["what it was trained on elsewhere"]}
    else:
        earlier = transfer.recorded(config, workdir) or {"trained_on": []}
        own, *others = contamination.seen_by(config, (), earlier["trained_on"])
        overlap = contamination.find(source, [{**own, "data": {**own["data"], "dir": data_dir}}, *others])
    mine = config.data if (source.name, source.split) == (config.data.name, "test") else None
    for warning in contamination.warnings(overlap, f"{source.name} {source.split}", mine):
        logger.warning(warning)
    return overlap


def _validation(workdir: Path, config: ConfigDict, step: int) -> Predictions | None:
    """Reads the predictions of the same weights for the run's own validation split, if they are kept."""
    path = predictions.place(workdir, config.data.name, "validation", "npz")
    kept = predictions.read(path) if path.exists() else None
    return kept if kept is not None and kept.step == step else None


def _label_names(workdir: Path, config: ConfigDict) -> tuple[str, ...]:
    """Reads the network's classes from its newest checkpoint.

    Earlier versions did not keep them there: from the result, or from the training set while there is none.
    """
    with contextlib.suppress(Damaged):  # `_best` skips it
        if names := weights.load_meta(workdir).get("label_names"):
            return tuple(names)
    if (workdir / RESULT).exists():
        return tuple(read_result(workdir / RESULT)["label_names"])
    return load_split(config, "train", cache="stream").label_names


def _best(workdir: Path, config: ConfigDict, like: TrainState) -> tuple[TrainState, int]:
    """Restores the state of the best validation, or the newest before the first validation; also its step."""
    with contextlib.closing(Checkpoints(workdir, config.model.name, config.checkpoint.keep)) as checkpoints:
        newest = checkpoints.restore_newest(like)
        if newest is None:
            raise UserError(f"{workdir} has no complete checkpoint yet: train it first")
        state, meta = newest
        if meta["best_step"] in checkpoints.steps():
            state, _ = checkpoints.restore(meta["best_step"], like)
        return state, int(state.step)


def load_for(config: ConfigDict, dataset: str, split: str, data_dir: str) -> StreamSource:
    """Opens a split of any set with the image size and filter of a config; images are decoded when read."""
    own = dataset == config.data.name
    source = data.load(
        dataset,
        split,
        data_dir or None,
        image_size=config.data.source_size or config.data.image_size,
        resize=config.data.resize,
        cache="stream",
        # From a set that was not trained on nothing needs to be held out.
        val_fraction=config.data.val_fraction if own or split == "validation" else 0.0,
        test_fraction=config.data.test_fraction if own or split == "test" else 0.0,
        fold=config.data.fold if own else "",
        inner_fold=config.data.inner_fold if own else "",
        affect=config.affect.head != "none",
        relabel=config.data.relabel if own else "",
    )
    assert isinstance(source, StreamSource)  # as cache="stream" says
    return source


def present_classes(dataset: str, source: Source, data_dir: str) -> np.ndarray:
    """Marks the classes that the whole set has examples of, bool `[S]`; a split may lack one by chance."""
    folder = builders.folder(dataset, data_dir or None)
    labels = [Records(dataset, folder, split).index.labels for split in describe(dataset, folder).splits]
    return np.bincount(np.concatenate(labels), minlength=len(source.label_names)) > 0


def _merged(
    source: Source, names: tuple[str, ...], targets: np.ndarray, present: np.ndarray
) -> dict[str, str]:
    """Lists the set's classes that count as another: name → the network's class."""
    unmerged = bridge(names, source.label_names).targets
    return {
        source.label_names[i]: names[targets[i]]
        for i in np.flatnonzero((unmerged == ABSENT) & (targets != ABSENT) & present)
    }
