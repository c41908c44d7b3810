"""Weights without the rest of a run: writes the folder of an import, reads from an import or a run.

An imported folder holds `checkpoints/0` with the items `state`, which is `{"params", "batch_stats"}`, and
`meta`: the network's name, its options, where the weights come from, and checksums. If its classes are known
it also holds a `config.json`.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import args as ocp_args

from ferjax.errors import UserError
from ferjax.files import disk_trouble, replacing, write_json_atomic
from ferjax.runs import orbax_messages
from ferjax.runs.checkpoint_files import FOLDER, META, STATE, is_step, reading, sealed, steps_in
from ferjax.runs.checksum import checksum
from ferjax.runs.layout import layout
from ferjax.runs.workdir import CONFIG

_COLLECTIONS = ("params", "batch_stats")


def check_new(folder: Path) -> None:
    """Raises UserError unless the folder is absent or empty and can be made."""
    if folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty; name a folder that is new")
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file; name a folder that is new")
    parent = next(place for place in folder.resolve().parents if place.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise UserError(f"cannot write {folder}: {parent} is not a folder that can be written")


def save(
    folder: Path,
    model: str,
    variables: Mapping[str, Any],
    facts: Mapping[str, Any],
    config: Mapping[str, Any] | None = None,
) -> None:
    """Writes weights into a new folder, whole or not at all.

    Args:
        folder: absent or empty.
        model: the network's name.
        variables: `{"params", "batch_stats"}`, float32.
        facts: JSON-ready, kept in `meta`.
        config: written as the folder's `config.json`, so that it is opened as a run is; None: it has none.

    Raises:
        UserError: see `check_new`, or the disk is full.
    """
    check_new(folder)
    orbax_messages.hide()
    tree = {key: variables[key] for key in _COLLECTIONS}
    meta = sealed({**facts, "model": model, "best_step": 0, "weights_checksum": checksum(tree)})
    items = {STATE: ocp_args.StandardSave(tree), META: ocp_args.JsonSave(meta)}
    try:
        with (
            replacing(folder.resolve()) as unfinished,
            ocp.CheckpointManager(unfinished / FOLDER) as manager,
        ):
            manager.save(0, args=ocp_args.Composite(**items))
            manager.wait_until_finished()
            if config is not None:
                write_json_atomic(unfinished / CONFIG, config)
    except Exception as error:  # Orbax passes on whatever the libraries below it raise
        if reason := disk_trouble(error):
            raise UserError(f"cannot write {folder}: {reason}; name another folder") from error
        raise


def load(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Reads the weights of a run's best step or of an import.

    Args:
        folder: a workdir, an imported folder, or one checkpoint in its folder `checkpoints`.

    Returns:
        `({"params", "batch_stats"}, meta)`: NumPy arrays, the averaged ones if the run kept averages, and
        the checkpoint's JSON object with its `step`.

    Raises:
        UserError: there is no checkpoint, or it is damaged.
    """
    place, step = _place(folder)
    with _opened(place) as manager:
        with reading(place / str(step)):
            meta = _meta(manager, step)
        best = meta.get("best_step")
        if folder.resolve() != place / str(step) and best != step and best in steps_in(place):
            step = best
            with reading(place / str(step)):
                meta = _meta(manager, step)
        with reading(place / str(step)):
            return _arrays(manager, step, meta), {**meta, "step": step}


def load_meta(folder: Path) -> dict[str, Any]:
    """Reads the JSON object of a workdir's newest checkpoint, without its arrays.

    Raises:
        UserError: see `load`.
    """
    place, step = _place(folder)
    with _opened(place) as manager, reading(place / str(step)):
        return _meta(manager, step)


def stored_layout(checkpoint: Path) -> dict[str, tuple[int, ...]]:
    """Returns the names and shapes of the arrays of one checkpoint as they are stored, see `layout`."""
    checkpoint = checkpoint.resolve()
    with _opened(checkpoint.parent) as manager, reading(checkpoint):
        return layout(manager.item_metadata(int(checkpoint.name))[STATE].tree)


def _place(folder: Path) -> tuple[Path, int]:
    """Returns the folder of checkpoints, and the step that `folder` names or the newest one."""
    folder = folder.resolve()
    if is_step(folder.name) and (folder / META).is_dir():
        return folder.parent, int(folder.name)
    steps = steps_in(folder / FOLDER)
    if not steps:
        raise UserError(f"{folder} holds no whole checkpoint; name a run's or an import's folder")
    return folder / FOLDER, steps[-1]


def _opened(place: Path) -> ocp.CheckpointManager:
    orbax_messages.hide()
    options = ocp.CheckpointManagerOptions(read_only=True)
    handlers = {STATE: ocp.PyTreeCheckpointHandler(), META: ocp.JsonCheckpointHandler()}
    try:
        return ocp.CheckpointManager(place, options=options, item_handlers=handlers)
    except OSError as error:
        raise UserError(f"the checkpoints in {place} cannot be read: {error.strerror or error}") from error


def _meta(manager: ocp.CheckpointManager, step: int) -> dict[str, Any]:
    meta = manager.restore(step, args=ocp_args.Composite(**{META: ocp_args.JsonRestore()}))[META]
    if meta != sealed(meta):
        raise ValueError("its counters differ from what was written")
    return meta


def _arrays(manager: ocp.CheckpointManager, step: int, meta: Mapping[str, Any]) -> dict[str, Any]:
    """Reads the weights alone, the averaged ones if there are any, and checks them."""
    state = manager.item_metadata(step)[STATE].tree
    averaged = "ema" in state
    stored = state["ema"] if averaged else state
    wanted = {key: stored[key] for key in _COLLECTIONS if key in stored}
    wanted = {"ema": wanted} if averaged else wanted
    how = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), wanted)
    restore = ocp_args.PyTreeRestore(wanted, restore_args=how, partial_restore=True)
    tree = manager.restore(step, args=ocp_args.Composite(**{STATE: restore}))[STATE]
    tree = tree["ema"] if averaged else tree
    weights = {key: tree.get(key) or {} for key in _COLLECTIONS}
    if checksum(weights) != meta["weights_checksum"]:
        raise ValueError("its arrays differ from what was written")
    return weights
