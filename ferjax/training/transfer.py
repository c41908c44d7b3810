"""Starts a run from the weights of an earlier run, an import or a file, and records what was taken."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from ferjax.errors import UserError
from ferjax.files import read_json, write_json_atomic
from ferjax.layers.positions import resampled
from ferjax.runs.workdir import TRANSFER as RECORD
from ferjax.training.array_outcomes import LOADED, NEW, SKIPPED, Row, check, decide, inside, record, table
from ferjax.training.initial_weights import Origin, read
from ferjax.training.paths import by_path, from_paths
from ferjax.training.setup import Parts
from ferjax.training.state import TrainState
from ferjax.training.trained_on import is_record


class Transfer(NamedTuple):
    """A source of weights, and the outcome of each array."""

    origin: Origin
    rows: list[Row]


def read_source(
    config: ConfigDict, workdir: Path, parts: Parts, label_names: Sequence[str]
) -> Transfer | None:
    """Reads the source of a run that has no checkpoint yet; None if there is no source or no need of it.

    Args:
        config: the groups `model`, `data` and `init` are read.
        workdir: the run's folder.
        parts: of the run.
        label_names: the network's classes.

    Raises:
        UserError: there is no such source, it is damaged, or it does not fit; what does not is printed.
    """
    begun = any(path.name.isdigit() for path in (workdir / "checkpoints").glob("*"))
    if not config.init["from"] or begun:
        return None
    origin = read(config)
    like = {"params": parts.like.params, "batch_stats": parts.like.batch_stats}
    shapes = {path: leaf.shape for path, leaf in by_path(like).items()}
    rows = decide(origin, config, parts.model, label_names, shapes)
    check(origin, rows, config.model.name)
    return Transfer(origin, rows)


def begin(
    config: ConfigDict, workdir: Path, parts: Parts, state: TrainState, transfer: Transfer
) -> tuple[TrainState, dict[str, Any]]:
    """Puts the source's weights into the initial state; the first process records and prints the outcomes.

    Returns:
        The state, and what `recorded` will return.
    """
    taken = record(transfer.origin, transfer.rows)
    if jax.process_index() == 0:
        write_json_atomic(workdir / RECORD, taken)
        print(table(transfer.rows))
        where = taken["from"] if taken["step"] is None else f"{taken['from']}, step {taken['step']:,}"
        print(
            f"initial weights from {where} ({taken['network']}, checksum {taken['checksum']}): "
            f"{taken[LOADED]} arrays loaded, {taken[NEW]} new, {taken[SKIPPED]} of the source skipped",
            flush=True,
        )
    # The optimizer begins again, for it may have looked at the weights.
    state = parts.restart(apply(state, transfer.origin, transfer.rows, config.init.into))
    return state, _without_parameters(taken)


def recorded(config: ConfigDict, workdir: Path) -> dict[str, Any] | None:
    """Reads what `begin` wrote, without the single arrays; None for a run that began at random."""
    if not config.init["from"]:
        return None
    taken = read_json(workdir / RECORD)
    if not isinstance(taken, dict) or not is_record(taken.get("trained_on")):
        raise UserError(
            f"{workdir / RECORD} is not what a run has written of its init.from; restore the file"
        )
    return _without_parameters(taken)


def _without_parameters(taken: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in taken.items() if name != "parameters"}


def apply(state: TrainState, origin: Origin, rows: Sequence[Row], into: str) -> TrainState:
    """Replaces initial arrays by the loaded ones, laid out alike; averages start from them too."""
    arrays = {inside(path, into): value for path, value in origin.arrays.items()}
    taken = {row.path: _fitted(arrays[row.path], row.shape) for row in rows if row.outcome == LOADED}

    def replaced(tree: dict[str, Any]) -> dict[str, Any]:
        leaves = by_path(tree, keep_empty=True)
        return from_paths(
            {path: _placed(taken[path], leaf) if path in taken else leaf for path, leaf in leaves.items()}
        )

    state = state.replace(**replaced({"params": state.params, "batch_stats": state.batch_stats}))
    return state if state.ema is None else state.replace(ema=replaced(state.ema))


def _fitted(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Resamples positions, or changes a kernel's input channels so that its answer to a grey image stays."""
    if array.shape == shape:
        return array
    if array.ndim == 3:
        return resampled(array, shape[1])
    summed = array.sum(2, keepdims=True)
    return np.repeat(summed / shape[2], shape[2], axis=2)


def _placed(array: np.ndarray, like: jax.Array) -> jax.Array:
    array = array.astype(like.dtype)
    return jax.make_array_from_callback(like.shape, like.sharding, lambda index: array[index])
