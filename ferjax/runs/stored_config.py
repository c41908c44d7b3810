"""Reads the config that a run stored, possibly written by an earlier version of ferjax."""

from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from ferjax import config as ferjax_config
from ferjax.errors import UserError
from ferjax.platform import console
from ferjax.runs.config_check import check_groups, read_config
from ferjax.runs.workdir import CONFIG


def stored_config(workdir: Path) -> tuple[ConfigDict, ConfigDict]:
    """Returns a run's config as it is stored, and the same with newer fields at their defaults.

    Raises:
        UserError: the folder holds no run.
    """
    if not (workdir / "checkpoints").is_dir():
        raise UserError(f"{workdir} holds no run with a checkpoint; name the --workdir of one")
    content = read_config(workdir / CONFIG)
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
    check_groups(content, path)
    config = ferjax_config.defaults()
    try:
        for group, fields in content.items():
            config[group] = {**(config[group].to_dict() if group in config else {}), **fields}
        ferjax_config.validate(config)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
        # ConfigDict takes neither some names of fields nor lists of some things.
        raise UserError(f"{path} is not the config of a run ({console.one_line(error)[:100]})") from error
    return config
