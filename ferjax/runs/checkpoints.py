"""Orbax checkpoints of a run: the newest few and the best, written in the background."""

import dataclasses
import logging
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import jax
import orbax.checkpoint as ocp
from jax.experimental import multihost_utils
from orbax.checkpoint import args as ocp_args
from orbax.checkpoint import checkpoint_managers

from ferjax.errors import UserError, listed
from ferjax.files import disk_trouble
from ferjax.runs import orbax_messages
from ferjax.runs.checkpoint_files import (
    FOLDER,
    META,
    STATE,
    Damaged,
    is_unfinished,
    reading,
    sealed,
    steps_in,
)
from ferjax.runs.checksum import checksum
from ferjax.runs.layout import Layout, differences, digest, layout
from ferjax.runs.weights import load, stored_layout
from ferjax.storage import uploads

logger = logging.getLogger(__name__)


class State(Protocol):
    """The dataclass of arrays that is saved, such as `ferjax.training.state.TrainState`."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def variables(self) -> dict[str, Any]:
        """The weights that evaluation uses."""
        ...


AnyState = TypeVar("AnyState", bound=State)
Meta = dict[str, Any]


@dataclasses.dataclass
class _NewestAndBest(checkpoint_managers.PreservationPolicy):
    """Keeps the newest `keep` checkpoints and the one of `best_step`."""

    keep: int
    best_step: int = -1

    def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> Sequence[bool]:
        del context
        newest = len(checkpoints) - self.keep
        return [i >= newest or info.step == self.best_step for i, info in enumerate(checkpoints)]


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
        self._directory = workdir.absolute() / FOLDER
        self._damaged = workdir.absolute() / "checkpoints_damaged"
        self._model = model
        self._policy = _NewestAndBest(keep)
        orbax_messages.hide()
        try:
            if jax.process_index() == 0:
                self._prepare()
            self._open()
        except OSError as error:
            raise UserError(
                f"checkpoints cannot be kept in {self._directory}: {error.strerror or error}; it must be a "
                "folder that can be read and written, or absent"
            ) from error

    def _prepare(self) -> None:
        """Makes the folder, and removes what Orbax left half written; nothing else in it is touched."""
        self._directory.mkdir(parents=True, exist_ok=True)
        # Orbax would do so in a thread that outlives `close` and then fails at the end of a short process.
        for path in self._directory.iterdir():
            if is_unfinished(path.name) and path.is_dir():
                shutil.rmtree(path)

    def _open(self) -> None:
        options = ocp.CheckpointManagerOptions(
            preservation_policy=self._policy, enable_async_checkpointing=True
        )
        self._manager = ocp.CheckpointManager(self._directory, options=options)

    def save(self, state: State, step: int, meta: dict[str, Any]) -> None:
        """Starts writing the state; `meta` is JSON-ready and has `best_step`.

        Raises:
            UserError: this write or an earlier one failed, for example because the disk is full or object
                storage does not take it.
        """
        if step in self._manager.all_steps():
            return
        uploads.check(self._directory)
        self._policy.best_step = meta["best_step"]
        tree = _tree(state)
        sums = {"state_checksum": checksum(tree), "weights_checksum": checksum(state.variables)}
        meta = sealed({**meta, "model": self._model, "layout": digest(layout(tree)), **sums})
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

    def restore_newest(
        self, like: AnyState, check: Callable[[Meta], None] | None = None
    ) -> tuple[AnyState, Meta] | None:
        """Returns the newest checkpoint that can be read, and its meta; None if there is none at all.

        Damaged ones are moved to `checkpoints_damaged/` with a warning.

        Args:
            like: a state of `ShapeDtypeStruct`s with the shardings to restore into.
            check: raises UserError if a meta does not belong to this run; called before arrays are read.

        Raises:
            UserError: the newest is whole and not of this run, it cannot be read, or all of them are damaged.
        """
        for step in self.steps()[::-1]:
            try:
                restored = self.restore(step, like, check)
            except Damaged as error:
                self._move_away(step)
                logger.warning("%s; it is skipped and was moved to %s", error, self._damaged)
                continue
            self._policy.best_step = restored[1]["best_step"]
            return restored
        # At a second start they have been moved already: beginning anew would overwrite the metrics.
        if damaged := steps_in(self._damaged):
            raise UserError(
                f"all {len(damaged)} checkpoints in {self._directory} are damaged (now in "
                f"{self._damaged}); start again with another --workdir"
            )
        return None

    def restore(
        self, step: int, like: AnyState, check: Callable[[Meta], None] | None = None
    ) -> tuple[AnyState, Meta]:
        """Returns the state and meta of one step; see `restore_newest` for `like` and `check`.

        Raises:
            Damaged: it differs from what was written.
            UserError: it is whole and belongs to another network or set, or it cannot be read.
        """
        where, own = self._directory / str(step), layout(_tree(like))
        with reading(where):
            meta = self._read(step, META, ocp_args.JsonRestore())
            if meta != sealed(meta):
                raise ValueError("its counters differ from what was written")
        if meta["model"] != self._model:
            raise UserError(
                f"the checkpoint in {where} is of the network {meta['model']}, not {self._model}; use "
                "another --workdir"
            )
        if check:
            check(meta)
        if meta.get("layout", digest(own)) != digest(own):
            raise _misfit(where, own)
        try:
            with reading(where):
                tree = self._read(step, STATE, ocp_args.StandardRestore(_tree(like)))
                if checksum(tree) != meta["state_checksum"]:
                    raise ValueError("its arrays differ from what was written")
        except Damaged:
            # Those of earlier versions do not say which arrays they hold.
            if "layout" not in meta and _whole(where) and stored_layout(where) != own:
                raise _misfit(where, own) from None
            raise
        return dataclasses.replace(like, **tree), meta

    def _read(self, step: int, item: str, how: ocp_args.CheckpointArgs) -> Any:
        return self._manager.restore(step, args=ocp_args.Composite(**{item: how}))[item]

    def _move_away(self, step: int) -> None:
        self._manager.close()
        if jax.process_index() == 0:
            where, number = self._directory / str(step), 1
            target = self._damaged / str(step)
            while target.exists():  # of an earlier start
                target, number = self._damaged / f"{step}-{number}", number + 1
            try:
                self._damaged.mkdir(exist_ok=True)
                where.rename(target)
            except OSError as error:
                raise UserError(
                    f"the checkpoint {where} is damaged and cannot be moved to {self._damaged} "
                    f"({error.strerror}); move it away and run the same command again"
                ) from error
        multihost_utils.sync_global_devices("damaged checkpoint moved")
        self._open()

    def _failed(self, error: Exception) -> UserError:
        reason, mend = disk_trouble(error), "make room"
        if reason is None and not os.access(self._directory, os.R_OK | os.W_OK | os.X_OK):
            # Orbax's writer fails in many ways when it is taken away.
            found = self._directory.is_dir()
            reason = "it may not be read and written" if found else "it is no folder any more"
            mend = "mend that"
        if reason is None and isinstance(error, OSError):
            reason = error.strerror or str(error)
        if reason is None and str(self._directory) in str(error):
            reason, mend = "a file has disappeared while it was written", "leave the folder alone"
        if reason is None:
            raise error
        return UserError(
            f"cannot write a checkpoint to {self._directory}: {reason}; earlier checkpoints are whole: "
            f"{mend} and run the same command again to go on from them"
        )


def _whole(checkpoint: Path) -> bool:
    """Checks whether the weights of a checkpoint are as they were written, whatever else it holds."""
    try:
        load(checkpoint)
    except Damaged:
        return False
    return True


def _misfit(checkpoint: Path, own: Layout) -> UserError:
    """Describes a whole checkpoint whose arrays are not those of this run."""
    try:
        differing = listed(differences(stored_layout(checkpoint), own), most=2, separator="; ")
    except Damaged:
        differing = "their names and shapes are"
    return UserError(
        f"the checkpoint {checkpoint} is whole, but its arrays are not this run's ({differing}): was "
        "config.json edited, or the data set changed? Put that back, or take another --workdir"
    )
