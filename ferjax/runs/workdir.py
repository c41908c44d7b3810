"""A run's folder: whose config it holds, who writes it, and whether it is finished."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from ml_collections import ConfigDict

from ferjax.config import FREE_FIELDS, defaults, flat
from ferjax.errors import UserError
from ferjax.files import plain, read_json, write_json_atomic

CONFIG, METRICS, RESULT, TENSORBOARD = "config.json", "metrics.jsonl", "result.json", "tensorboard"


@contextlib.contextmanager
def claim(workdir: Path, config: ConfigDict, writes: bool) -> Iterator[None]:
    """Makes the folder, holds it against a second run, and stores the config or compares it.

    Args:
        workdir: the folder.
        config: what this run wants.
        writes: whether this process writes the folder; only one of a run's processes does.

    Raises:
        UserError: another run writes here, the folder belongs to another config, or it cannot be written.
    """
    if not writes:
        yield
        return
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        # Closed at the end of the block; the system lets go of the lock even after SIGKILL.
        lock = (workdir / ".lock").open("w")
    except OSError as error:
        raise UserError(f"cannot write the workdir {workdir}: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(
                f"another run is writing {workdir}; wait for it or take another --workdir"
            ) from None
        stored = workdir / CONFIG
        if not any((workdir / name).exists() for name in ("checkpoints", METRICS, RESULT)):
            write_json_atomic(stored, config.to_dict())  # a start that failed before leaves nothing to keep
        elif stored.exists():
            _compare(stored, config)
        else:
            raise UserError(f"{workdir} holds a run without its {CONFIG}; take another --workdir")
        yield


def _compare(stored: Path, config: ConfigDict) -> None:
    # A run of an earlier version lacks the fields that came later: it ran as their defaults say.
    base = dict(flat(plain(defaults().to_dict())))
    before = base | dict(flat(read_json(stored)))
    now = base | dict(flat(plain(config.to_dict())))
    differing = [
        f"{field} was {before.get(field, 'absent')!r}, is {now.get(field, 'absent')!r}"
        for field in sorted(before.keys() | now.keys())
        if field not in FREE_FIELDS and before.get(field) != now.get(field)
    ]
    if differing:
        raise UserError(
            f"{stored.parent} belongs to another config ({'; '.join(differing[:5])}"
            + (f"; and {len(differing) - 5} more" if len(differing) > 5 else "")
            + "); take another --workdir, or remove that folder"
        )
