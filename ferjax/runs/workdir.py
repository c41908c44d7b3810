"""A run's folder: its file names, its lock against a second run, and the check of its config."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from ml_collections import ConfigDict

from ferjax.errors import UserError, listed
from ferjax.files import DISK_FULL, write_json_atomic
from ferjax.runs.config_check import differences, fixed_fields, read_config
from ferjax.storage.uploads import uploading

CONFIG, METRICS, RESULT, TENSORBOARD = "config.json", "metrics.jsonl", "result.json", "tensorboard"
TRANSFER, TRACKING = "init.json", "tracking.json"
_LOCK, _BEGUN = ".lock", ("checkpoints", METRICS, RESULT)
_EARLY = frozenset({CONFIG, TRANSFER, TENSORBOARD, TRACKING})  # what may lie there before any of those
_ALWAYS_THERE = "lost+found"  # on a disk of its own


class Busy(UserError):
    """Another process is writing the workdir."""


@contextlib.contextmanager
def claim(workdir: Path, config: ConfigDict, writes: bool) -> Iterator[None]:
    """Makes the folder, locks it against a second run, and stores the config or compares it with the stored.

    Args:
        workdir: the folder.
        config: this run's config.
        writes: True in the process that writes the folder; the other processes of a run leave it alone.

    Raises:
        UserError: another run writes here, the folder belongs to another config or holds other things than a
            run, or it cannot be written; see `ferjax.storage.uploads.uploading` for object storage.
    """
    if not writes:
        with _describing_errors(workdir):
            yield
        return
    with uploading(workdir):
        try:
            workdir.mkdir(parents=True, exist_ok=True)
            _refuse_foreign(workdir, config)
            # Closed at the end of the block; the system releases the lock even after SIGKILL.
            lock = os.fdopen(_open_lock(workdir / _LOCK), "r+b", buffering=0)
        except OSError as error:
            raise UserError(f"cannot write the workdir {workdir}: {error.strerror}") from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise Busy(
                    f"another run is writing {workdir}; wait for it or take another --workdir"
                ) from None
            stored = workdir / CONFIG
            if not _begun(workdir):
                write_json_atomic(stored, config.to_dict())  # an earlier start failed before it trained
            elif stored.exists():
                check_config(workdir, config)
            else:
                raise UserError(f"{workdir} holds a run without its {CONFIG}; take another --workdir")
            with _describing_errors(workdir):
                yield


def _open_lock(path: Path) -> int:
    """Opens or makes the lock: follows no link, waits for no pipe and empties no file."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)


@contextlib.contextmanager
def _describing_errors(workdir: Path) -> Iterator[None]:
    """Turns an error of the system into one line while a run is at work; the command tells of a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.errno in DISK_FULL:
            raise
        raise UserError(
            f"cannot use {error.filename or workdir}: {error.strerror}; what was saved in {workdir} is "
            "whole: mend that and run the same command again to go on"
        ) from error


def _begun(workdir: Path) -> bool:
    return any((workdir / name).exists() for name in _BEGUN)


def _refuse_foreign(workdir: Path, config: ConfigDict) -> None:
    """Raises UserError for a folder that holds something, but no run; changes nothing in it.

    A start that ended before it trained leaves a lock, a config and a few more files, which the next may
    replace. Object storage keeps no lock: there, the config must be this run's.
    """
    if _begun(workdir):
        return
    visible = {path.name for path in workdir.iterdir() if not path.name.startswith(".")}
    ours = _EARLY if _started_here(workdir, config) else frozenset()
    if foreign := visible - {_ALWAYS_THERE, *ours}:
        raise UserError(
            f"{workdir} holds no run, but other files ({listed(sorted(foreign), most=3)}); name a --workdir "
            "that is new or empty"
        )


def _started_here(workdir: Path, config: ConfigDict) -> bool:
    stored = workdir / CONFIG
    if not stored.exists() or (workdir / _LOCK).exists():
        return stored.exists()
    try:
        return fixed_fields(read_config(stored)) == fixed_fields(config.to_dict())
    except UserError:
        return False  # some other program's


def check_config(workdir: Path, config: ConfigDict) -> None:
    """Raises UserError if the folder's run has another config, but for fields that change no number."""
    stored = workdir / CONFIG
    differing = differences(fixed_fields(read_config(stored)), fixed_fields(config.to_dict()))
    if differing:
        raise UserError(
            f"{stored.parent} belongs to another config ({differing}); take another --workdir, or remove "
            "that folder"
        )
