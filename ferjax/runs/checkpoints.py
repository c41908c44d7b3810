"""Orbax checkpoints of a run: the newest few and the best, written in the background."""

import dataclasses
import json
import logging
import shutil
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import jax
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils
from orbax.checkpoint import args as ocp_args
from orbax.checkpoint import checkpoint_managers

from ferjax.errors import UserError
from ferjax.files import disk_trouble
from ferjax.runs import orbax_messages
from ferjax.runs.checksum import checksum

logger = logging.getLogger(__name__)

STATE, META = "state", "meta"


class State(Protocol):
    """The dataclass of arrays that is saved, such as `ferjax.training.state.TrainState`."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def variables(self) -> dict[str, Any]:
        """The weights that evaluation uses."""
        ...


AnyState = TypeVar("AnyState", bound=State)


class Damaged(UserError):
    """A checkpoint that cannot be read back as it was written."""


@dataclasses.dataclass
class _NewestAndBest(checkpoint_managers.PreservationPolicy):
    """Keeps the newest `keep` checkpoints and the one of `best_step`."""

    keep: int
    best_step: int = -1

    def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> Sequence[bool]:
        del context
        newest = len(checkpoints) - self.keep
        return [i >= newest or info.step == self.best_step for i, info in enumerate(checkpoints)]


def sealed(meta: dict[str, Any]) -> dict[str, Any]:
    """Returns `meta` with a checksum of its other fields, in place of an earlier one."""
    rest = {name: value for name, value in meta.items() if name != "checksum"}
    return {**rest, "checksum": zlib.crc32(json.dumps(rest, sort_keys=True).encode())}


def _tree(state: State) -> dict[str, Any]:
    fields = {field.name: getattr(state, field.name) for field in dataclasses.fields(state)}
    return {name: value for name, value in fields.items() if value is not None}


class Checkpoints:
    """The folder `checkpoints/` of a workdir.

    A checkpoint is the state and a JSON object `meta` with the loop's counters. Saving copies the
    state and returns; a thread writes it and renames the folder when it is whole, so a kill at any moment
    leaves the earlier ones as they were. Checksums in `meta` reveal damage that Orbax does not notice.
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
        orbax_messages.hide()
        if jax.process_index() == 0:
            self._remove_half_written()
        self._open()

    def _remove_half_written(self) -> None:
        # Orbax would do so in a thread that outlives `close` and then fails at the end of a short process.
        for path in self._directory.glob("*"):
            if path.is_dir() and not path.name.isdigit():
                shutil.rmtree(path)

    def _open(self) -> None:
        options = ocp.CheckpointManagerOptions(
            preservation_policy=self._policy, enable_async_checkpointing=True
        )
        self._manager = ocp.CheckpointManager(self._directory, options=options)

    def save(self, state: State, step: int, meta: dict[str, Any]) -> None:
        """Starts writing the state; `meta` is JSON-ready and has `best_step`.

        Raises:
            UserError: this write or an earlier one failed, for example because the disk is full.
        """
        if step in self._manager.all_steps():
            return
        self._policy.best_step = meta["best_step"]
        tree = _tree(state)
        sums = {"state_checksum": checksum(tree), "weights_checksum": checksum(state.variables)}
        meta = sealed({**meta, "model": self._model, **sums})
        content = ocp_args.Composite(**{STATE: ocp_args.StandardSave(tree), META: ocp_args.JsonSave(meta)})
        try:
            self._manager.save(step, args=content)
        except Exception as error:
            raise self._failed(error) from error

    def wait(self) -> None:
        """Returns when every checkpoint whose saving was started is on the disk.

        Raises:
            UserError: one could not be written.
        """
        try:
            self._manager.wait_until_finished()
        except Exception as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Waits for unfinished writes and releases the folder."""
        self.wait()
        self._manager.close()

    def steps(self) -> list[int]:
        """Returns the steps that have a whole checkpoint, ascending."""
        return sorted(self._manager.all_steps())

    def restore_newest(self, like: AnyState) -> tuple[AnyState, dict[str, Any]] | None:
        """Returns the newest checkpoint that can be read, and its meta; None if there is none at all.

        Damaged ones are moved to `checkpoints_damaged/` with a warning.

        Args:
            like: a state of `ShapeDtypeStruct`s with the shardings to restore into.

        Raises:
            UserError: the newest belongs to another network, or there are checkpoints and all are damaged.
        """
        steps = self.steps()[::-1]
        for step in steps:
            try:
                restored = self.restore(step, like)
            except Damaged as error:
                self._move_away(step)
                logger.warning("%s; it is skipped and was moved to %s", error, self._damaged)
                continue
            self._policy.best_step = restored[1]["best_step"]
            return restored
        if steps:
            raise UserError(
                f"all {len(steps)} checkpoints in {self._directory} are damaged (now in "
                f"{self._damaged}); start again with another --workdir"
            )
        return None

    def restore(self, step: int, like: AnyState) -> tuple[AnyState, dict[str, Any]]:
        """Returns the state and meta of one step; see `restore_newest` for `like`.

        Raises:
            Damaged: it differs from what was written.
            UserError: it belongs to another network.
        """
        try:
            meta = self._read(step, META, ocp_args.JsonRestore())
            if meta != sealed(meta):
                raise ValueError("its counters differ from what was written")
            if meta["model"] != self._model:
                raise UserError(
                    f"the checkpoint in {self._directory / str(step)} is of the network {meta['model']}, "
                    f"not {self._model}; use another --workdir"
                )
            tree = self._read(step, STATE, ocp_args.StandardRestore(_tree(like)))
            if checksum(tree) != meta["state_checksum"]:
                raise ValueError("its arrays differ from what was written")
        except UserError:
            raise
        except Exception as error:  # Orbax passes on whatever the libraries below it raise
            reason = str(error).strip().splitlines() or [type(error).__name__]
            where = self._directory / str(step)
            raise Damaged(f"the checkpoint {where} is damaged ({reason[0][:160]})") from error
        return dataclasses.replace(like, **tree), meta

    def _read(self, step: int, item: str, how: ocp_args.CheckpointArgs) -> Any:
        return self._manager.restore(step, args=ocp_args.Composite(**{item: how}))[item]

    def _move_away(self, step: int) -> None:
        self._manager.close()
        if jax.process_index() == 0:
            self._damaged.mkdir(exist_ok=True)
            target = self._damaged / str(step)
            shutil.rmtree(target, ignore_errors=True)
            shutil.move(self._directory / str(step), target)
        multihost_utils.sync_global_devices("damaged checkpoint moved")
        self._open()

    def _failed(self, error: Exception) -> UserError:
        reason = disk_trouble(error)
        if reason is None and not isinstance(error, OSError):
            raise error
        return UserError(
            f"cannot write a checkpoint to {self._directory}: {reason or error}; earlier "
            "checkpoints are whole: make room and run the same command again to go on from them"
        )
