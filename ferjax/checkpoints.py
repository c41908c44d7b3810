"""Orbax checkpoints of a run: the newest few and the best, written in the background."""

import dataclasses
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint import args as ocp_args
from orbax.checkpoint import checkpoint_managers

from ferjax.errors import UserError
from ferjax.state import TrainState

STATE, META = "state", "meta"


@dataclasses.dataclass
class _NewestAndBest(checkpoint_managers.PreservationPolicy):
    """Keeps the newest `keep` checkpoints and the one of `best_step`."""

    keep: int
    best_step: int = -1

    def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> Sequence[bool]:
        del context
        newest = len(checkpoints) - self.keep
        return [i >= newest or info.step == self.best_step for i, info in enumerate(checkpoints)]


def _tree(state: TrainState) -> dict[str, Any]:
    fields = {field.name: getattr(state, field.name) for field in dataclasses.fields(state)}
    return {name: value for name, value in fields.items() if value is not None}


class Checkpoints:
    """The folder `checkpoints/` of a workdir.

    A checkpoint is the `TrainState` and a JSON object `meta` with the loop's counters. Saving copies the
    state and returns; a thread writes it and renames the folder when it is whole, so a kill at any moment
    leaves the earlier ones as they were.
    """

    def __init__(self, workdir: Path, model: str, keep: int) -> None:
        """Opens or makes the folder.

        Args:
            workdir: the run's folder.
            model: the network's name, stored with each checkpoint and checked on restoring.
            keep: how many of the newest checkpoints stay beside the best.
        """
        self._directory = (workdir / "checkpoints").resolve()
        self._damaged = workdir.resolve() / "checkpoints_damaged"
        self._model = model
        self._policy = _NewestAndBest(keep)
        # Orbax tells every save and every step of the policy on INFO and WARNING.
        logging.getLogger("absl").setLevel(logging.ERROR)
        self._open()

    def _open(self) -> None:
        options = ocp.CheckpointManagerOptions(
            preservation_policy=self._policy, cleanup_tmp_directories=True, enable_async_checkpointing=True
        )
        self._manager = ocp.CheckpointManager(self._directory, options=options)

    def save(self, state: TrainState, step: int, meta: dict[str, Any]) -> None:
        """Starts writing the state; `meta` is JSON-ready and has `best_step`.

        Raises:
            UserError: an earlier or this write failed, for example for want of space.
        """
        if step in self._manager.all_steps():
            return
        self._policy.best_step = meta["best_step"]
        content = ocp_args.Composite(
            **{
                STATE: ocp_args.StandardSave(_tree(state)),
                META: ocp_args.JsonSave({**meta, "model": self._model}),
            }
        )
        try:
            self._manager.save(step, args=content)
        except Exception as error:
            raise self._failed(error) from error

    def wait(self) -> None:
        """Returns when what was started is on the disk.

        Raises:
            UserError: it could not be written.
        """
        try:
            self._manager.wait_until_finished()
        except Exception as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Waits and releases the folder."""
        self.wait()
        self._manager.close()

    def steps(self) -> list[int]:
        """The steps that have a whole checkpoint, ascending."""
        return sorted(self._manager.all_steps())

    def restore_newest(self, like: TrainState) -> tuple[TrainState, dict[str, Any]] | None:
        """The newest checkpoint that can be read, and its meta; None if there is none at all.

        Damaged ones are moved to `checkpoints_damaged/` with a warning.

        Args:
            like: a state of `ShapeDtypeStruct`s with the shardings to restore into.

        Raises:
            UserError: the newest is of another network, or there are some and all are damaged.
        """
        steps = self.steps()[::-1]
        for step in steps:
            try:
                restored = self.restore(step, like)
            except UserError:
                raise
            except Exception as error:
                reason = str(error).strip().splitlines() or [type(error).__name__]
                self._move_away(step)
                print(f"warning: checkpoint {step} is damaged and skipped ({reason[0][:160]})", flush=True)
                continue
            self._policy.best_step = restored[1]["best_step"]
            return restored
        if steps:
            raise UserError(
                f"all {len(steps)} checkpoints in {self._directory} are damaged (now in "
                f"{self._damaged}); start again with another --workdir"
            )
        return None

    def restore(self, step: int, like: TrainState) -> tuple[TrainState, dict[str, Any]]:
        """The state and meta of one step; see `restore_newest` for `like`."""
        meta = self._manager.restore(step, args=ocp_args.Composite(**{META: ocp_args.JsonRestore()}))[META]
        if meta["model"] != self._model:
            raise UserError(
                f"the checkpoint in {self._directory / str(step)} is of the network {meta['model']}, "
                f"not {self._model}; use another --workdir"
            )
        content = ocp_args.Composite(**{STATE: ocp_args.StandardRestore(_tree(like))})
        tree = self._manager.restore(step, args=content)[STATE]
        return like.replace(**tree), meta

    def _move_away(self, step: int) -> None:
        self._manager.close()
        if jax.process_index() == 0:
            self._damaged.mkdir(exist_ok=True)
            target = self._damaged / str(step)
            shutil.rmtree(target, ignore_errors=True)
            shutil.move(self._directory / str(step), target)
        self._open()

    def _failed(self, error: Exception) -> UserError:
        text = str(error)
        full = isinstance(error, OSError) or "space left" in text or "RESOURCE_EXHAUSTED" in text
        if not full:
            raise error
        line = text.strip().splitlines()[0][:200]
        return UserError(
            f"cannot write a checkpoint to {self._directory}: {line}; earlier checkpoints are whole: make "
            "room and run the same command again to go on from them"
        )
