"""Reads weights to start from: of an earlier run, an import or a file."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict

from ferjax.config import model_options
from ferjax.errors import UserError
from ferjax.files import user_path
from ferjax.runs import weights
from ferjax.runs.finite import check_finite
from ferjax.runs.result import read_result
from ferjax.runs.workdir import RESULT
from ferjax.training.paths import by_path


class Origin(NamedTuple):
    """Weights to start from.

    Attributes:
        path: where they are.
        network: the network's registered name.
        arrays: `params/…` and `batch_stats/…` → array; the averaged ones if the run kept averages.
        label_names: the classes, None if unknown.
        image_size: pixels, both sides, of the images it was trained on, None if unknown.
        step: the checkpoint's, None for a file.
        trained_on: the data that made the weights, see `ferjax.training.contamination`; empty where unknown.
    """

    path: str
    network: str
    arrays: dict[str, np.ndarray]
    label_names: tuple[str, ...] | None
    image_size: int | None
    step: int | None
    trained_on: list[dict[str, Any]]


def read(config: ConfigDict) -> Origin:
    """Reads what `init.from` names.

    Raises:
        UserError: there is nothing, it is damaged, or a file is of another network.
    """
    path = user_path(config.init["from"])
    if path.is_file():
        if config.init.into:
            raise UserError(
                f"init.into={config.init.into} needs to know the network of {path}: make a folder of it with "
                "python -m ferjax torch-import, and name that in init.from"
            )
        from ferjax.interop import torch_files, torch_weights  # a leaf: only who starts from a file needs it

        variables = torch_weights.import_state_dict(
            config.model.name,
            torch_files.read_state_dict(path),
            image_size=config.data.image_size,
            **model_options(config),
        )
        return Origin(str(path), config.model.name, by_path(variables), None, None, None, [])
    if not path.is_dir():
        raise UserError(
            f"init.from={path} is no folder; name a workdir, one of its checkpoints, an import, or a file of "
            "PyTorch's weights"
        )
    variables, meta = weights.load(path)
    check_finite(by_path(variables), path)
    label_names = meta.get("label_names") or _result(path).get("label_names")
    return Origin(
        path=str(path),
        network=meta["model"],
        arrays=by_path(variables),
        label_names=tuple(label_names) if label_names else None,
        image_size=meta.get("image_size"),
        step=meta.get("step"),
        trained_on=meta.get("trained_on", []),
    )


def _result(path: Path) -> dict[str, Any]:
    """Reads the result of a run whose checkpoints do not hold the classes yet."""
    return read_result(path / RESULT) if (path / RESULT).exists() else {}
