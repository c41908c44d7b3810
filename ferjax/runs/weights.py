"""Weights without the rest of a run: writes the folder of an import, reads from an import or a run.

An imported folder holds `checkpoints/0` with the items `state`, which is `{"params", "batch_stats"}`, and
`meta`: the network's name, its options, where the weights come from, and checksums.
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
from ferjax.files import replacing
from ferjax.runs import orbax_messages
from ferjax.runs.checkpoints import META, STATE, Damaged, sealed
from ferjax.runs.checksum import checksum

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


def save(folder: Path, model: str, variables: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Writes weights into a new folder, whole or not at all.

    Args:
        folder: absent or empty.
        model: the network's name.
        variables: `{"params", "batch_stats"}`, float32.
        facts: JSON-ready, kept in `meta`.

    Raises:
        UserError: see `check_new`.
    """
    check_new(folder)
    orbax_messages.hide()
    tree = {key: variables[key] for key in _COLLECTIONS}
    meta = sealed({**facts, "model": model, "best_step": 0, "weights_checksum": checksum(tree)})
    items = {STATE: ocp_args.StandardSave(tree), META: ocp_args.JsonSave(meta)}
    with (
        replacing(folder.resolve()) as unfinished,
        ocp.CheckpointManager(unfinished / "checkpoints") as manager,
    ):
        manager.save(0, args=ocp_args.Composite(**items))
        manager.wait_until_finished()


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
    folder = folder.resolve()
    one = folder.name.isdigit() and (folder / META).is_dir()
    place = folder.parent if one else folder / "checkpoints"
    steps = sorted(int(path.name) for path in place.glob("*") if path.name.isdigit())
    if not steps:
        raise UserError(f"{folder} holds no whole checkpoint; name a run's or an import's folder")
    orbax_messages.hide()
    options = ocp.CheckpointManagerOptions(read_only=True)
    handlers = {STATE: ocp.PyTreeCheckpointHandler(), META: ocp.JsonCheckpointHandler()}
    with ocp.CheckpointManager(place, options=options, item_handlers=handlers) as manager:
        step = int(folder.name) if one else steps[-1]
        try:
            meta = _meta(manager, step)
            if not one and meta["best_step"] in steps and meta["best_step"] != step:
                step = meta["best_step"]
                meta = _meta(manager, step)
            return _arrays(manager, step, meta), {**meta, "step": step}
        except Exception as error:  # Orbax passes on whatever the libraries below it raise
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise Damaged(f"the checkpoint {place / str(step)} is damaged ({reason[0][:160]})") from error


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
