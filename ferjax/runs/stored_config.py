"""Reads the config that a run stored, possibly written by an earlier version of ferjax."""

from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from ferjax import config as ferjax_config
from ferjax.errors import UserError
from ferjax.files import read_json
from ferjax.runs.workdir import CONFIG


def stored_config(workdir: Path) -> tuple[ConfigDict, ConfigDict]:
    """Returns a run's config as it is stored, and the same with newer fields at their defaults.

    Raises:
        UserError: the folder holds no run.
    """
    if not (workdir / "checkpoints").is_dir():
        raise UserError(f"{workdir} holds no run with a checkpoint; name the --workdir of one")
    content = read_json(workdir / CONFIG)
    config = completed(content, workdir / CONFIG)
    return ConfigDict(content), config


def completed(content: Any, path: Path) -> ConfigDict:
    """Checks a stored config and adds the fields that later versions introduced, at their defaults.

    Args:
        content: the content of its file.
        path: that file, for the error.

    Raises:
        UserError: the content is not a config, or not a valid one.
    """
    if not isinstance(content, dict) or not all(isinstance(group, dict) for group in content.values()):
        raise UserError(f"{path} is not the config of a run")
    config = ferjax_config.defaults()
    for group, fields in content.items():
        config[group] = {**(config[group].to_dict() if group in config else {}), **fields}
    ferjax_config.validate(config)
    return config
