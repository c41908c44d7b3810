"""The config of a run that was written down, possibly by an earlier version."""

from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from ferjax import config as ferjax_config
from ferjax.errors import UserError
from ferjax.files import read_json
from ferjax.runs.workdir import CONFIG


def stored_config(workdir: Path) -> tuple[ConfigDict, ConfigDict]:
    """A run's config as it is stored, and with the fields that came later at their defaults.

    Raises:
        UserError: the folder holds no run.
    """
    if not (workdir / "checkpoints").is_dir():
        raise UserError(f"{workdir} holds no run with a checkpoint; name the --workdir of one")
    content = read_json(workdir / CONFIG)
    config = completed(content, workdir / CONFIG)
    return ConfigDict(content), config


def completed(content: Any, path: Path) -> ConfigDict:
    """A stored config, checked, with the fields that came later at their defaults.

    Args:
        content: what its file holds.
        path: of that file, for the error.

    Raises:
        UserError: it is no config, or one that cannot be.
    """
    if not isinstance(content, dict) or not all(isinstance(group, dict) for group in content.values()):
        raise UserError(f"{path} is not the config of a run")
    config = ferjax_config.defaults()
    for group, fields in content.items():
        config[group] = {**(config[group].to_dict() if group in config else {}), **fields}
    ferjax_config.validate(config)
    return config
