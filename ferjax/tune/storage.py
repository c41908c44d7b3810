"""Opens the study of a search in Optuna's storage: a journal on a shared disk, or PostgreSQL."""

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferjax.config.field import shown
from ferjax.errors import UserError, foreign, listed
from ferjax.files import user_path
from ferjax.runs.config_check import fixed_fields

if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage

JOURNAL = "study.journal"
_SEARCH = "search"  # the study's attribute that says what is searched
_PASSWORD = re.compile(r"://[^/@]*@")


def open_study(where: str, name: str, search: dict[str, Any]) -> "Study":
    """Opens the study of a search, or begins it.

    Args:
        where: the path of a journal, or the URL of a PostgreSQL database, `postgresql://…`.
        name: of the study, unique in a database.
        search: what is searched, ready for JSON; kept with the study, and compared with what it keeps.

    Raises:
        UserError: Optuna is missing, the storage cannot be reached or is damaged, or the study is of another
            search.
    """
    optuna = import_optuna()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        storage = _database(where) if "://" in where else _journal(user_path(where))
        study = optuna.create_study(
            storage=storage, study_name=name, direction="maximize", load_if_exists=True
        )
        known = study.user_attrs.get(_SEARCH)
    except UserError:
        raise
    except Exception as error:  # of the operating system, of the database's driver, of a damaged journal
        raise _unusable(where, error, "mend that, or name another --storage") from error
    if known is None:
        study.set_user_attr(_SEARCH, search)
        known = study.user_attrs[_SEARCH]
    _compare(known, search, name, without_password(where))
    return study


@contextlib.contextmanager
def describing_losses(where: str) -> Iterator[None]:
    """Turns the error of a storage that is lost in the middle of a search into one line."""
    from optuna.exceptions import StorageInternalError

    try:
        yield
    except StorageInternalError as error:
        advice = "what is finished is kept: mend that, and start the same command again"
        raise _unusable(where, error, advice) from error


def _unusable(where: str, error: Exception, advice: str) -> UserError:
    reason = without_password(foreign(error))
    return UserError(f"the study's storage {without_password(where)} cannot be used ({reason}): {advice}")


def import_optuna() -> Any:
    """Imports Optuna.

    Raises:
        UserError: it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise UserError("tune needs Optuna: pip install 'ferjax[tune]'") from error
    return optuna


def without_password(where: str) -> str:
    """Hides user and password of a URL, for messages and files."""
    return _PASSWORD.sub("://…@", where)


def _journal(path: Path) -> "BaseStorage":
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    path.parent.mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(str(path), lock_obj=_lock(path)))


def _lock(path: Path) -> Any:
    """Returns a lock that the system releases when its process is killed; Optuna's own outlive it."""
    from optuna.storages.journal import JournalFileOpenLock

    class Lock(JournalFileOpenLock):
        def __init__(self) -> None:
            self._file = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o666)

        def acquire(self) -> bool:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            return True

        def release(self) -> None:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    return Lock()


def _database(url: str) -> "BaseStorage":
    from optuna.storages import RDBStorage

    if not url.startswith(("postgresql://", "postgresql+psycopg://")):
        raise UserError(
            f"--storage={without_password(url)}: it takes the path of a journal, or the URL of a PostgreSQL "
            "database, postgresql://USER@HOST/DATABASE"
        )
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise UserError("PostgreSQL needs its driver: pip install 'ferjax[postgresql]'") from error
    return RDBStorage(url.replace("postgresql://", "postgresql+psycopg://", 1))


def _compare(known: dict[str, Any], now: dict[str, Any], name: str, where: str) -> None:
    before, after = _flat(_completed(known)), _flat(_completed(now))
    differing = [
        f"{key} was {shown(before.get(key, 'absent'))}, is {shown(after.get(key, 'absent'))}"
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]
    if differing:
        raise UserError(
            f"the study {name} in {where} is of another search ({listed(differing, 3, '; ')}): put that "
            "back, or take another --workdir or --study"
        )


def _completed(search: dict[str, Any]) -> dict[str, Any]:
    """Adds what a study of an earlier version lacks: fields that came later had their defaults, and folds."""
    if "config" not in search:
        return search
    return {"folds": 0, **search, "config": fixed_fields(search["config"])}


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key} ")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
