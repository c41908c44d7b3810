"""The tracking servers by name, and how their writers are opened."""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from ferjax.config import PATH_FIELDS, flat
from ferjax.errors import UserError, foreign
from ferjax.training.metric_writers import Writer

# Name → module with `check_installed()` and `open_writer(workdir, fields)`.
_MODULES = {"mlflow": "ferjax.tracking.mlflow_writer", "wandb": "ferjax.tracking.wandb_writer"}
NAMES = tuple(_MODULES)


def check(names: Sequence[str]) -> None:
    """Checks, before work is done, that trackers exist and their packages are installed.

    Raises:
        UserError: one is unknown or not installed.
    """
    if unknown := [name for name in names if name not in _MODULES]:
        raise UserError(f"--tracking takes some of {', '.join(NAMES)}, not {unknown[0]}")
    for name in names:
        importlib.import_module(_MODULES[name]).check_installed()


def open_writers(names: Sequence[str], workdir: Path, config: ConfigDict) -> list[Writer]:
    """Opens a writer for each tracker; each goes on in the run that the workdir has there.

    Args:
        names: some of `NAMES`, see `check`.
        workdir: of the run, which holds its `metrics.jsonl` already.
        config: is sent, but for paths of this machine.

    Raises:
        UserError: a server cannot be reached or refuses, or has no such run any more.
    """
    fields = {name: value for name, value in flat(config) if name not in PATH_FIELDS}
    return [_open_writer(name, workdir, fields) for name in dict.fromkeys(names)]


def _open_writer(name: str, workdir: Path, fields: Mapping[str, Any]) -> Writer:
    try:
        return importlib.import_module(_MODULES[name]).open_writer(workdir, fields)
    except ImportError as error:  # there, as `check` saw, but not whole
        raise UserError(
            f"the package of --tracking={name} cannot be imported ({foreign(error)}): install it again, "
            f"pip install --force-reinstall 'ferjax[{name}]'"
        ) from error
