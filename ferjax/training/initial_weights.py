"""Reads weights to start from: of an earlier run, an import, a bundle or a file."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict

from ferjax.config import model_options
from ferjax.errors import UserError
from ferjax.models.mae import MaskedAutoencoder
from ferjax.pretrained.places import is_shipped, locate, names
from ferjax.runs import weights
from ferjax.runs.finite import check_finite
from ferjax.runs.result import read_result
from ferjax.runs.workdir import RESULT
from ferjax.storage.mirrors import shown
from ferjax.training.network import create_model
from ferjax.training.paths import by_path

if TYPE_CHECKING:
    from ferjax.inference.trained import Trained


class Origin(NamedTuple):
    """Weights to start from.

    Attributes:
        path: where they are.
        network: the network's registered name.
        arrays: `params/…` and `batch_stats/…` → array; the averaged ones if the run kept averages.
        label_names: the classes, None if unknown.
        image_size: pixels, both sides, of the images it was trained on, None if unknown.
        step: the checkpoint's, None for a file or a bundle.
        trained_on: the data that made the weights, see `ferjax.training.contamination`; empty where unknown.
        pretraining: the method of pre-training that made them without classes; empty without.
    """

    path: str
    network: str
    arrays: dict[str, np.ndarray]
    label_names: tuple[str, ...] | None
    image_size: int | None
    step: int | None
    trained_on: list[dict[str, Any]]
    pretraining: str = ""


def read(config: ConfigDict) -> Origin:
    """Reads what `init.from` names.

    Raises:
        UserError: there is nothing, it is damaged, or a file is of another network.
    """
    from ferjax.inference import bundle  # above training: only who starts from other weights needs it

    path = locate(config.init["from"])
    if bundle.is_bundle(path) or is_shipped(path):
        return _of_bundle(bundle.read(path), path, config)
    if path.is_file():
        if config.init.into:
            raise UserError(
                f"init.into={config.init.into} needs to know the network of {path}: make a folder of it with "
                "python -m ferjax torch-import, and name that in init.from"
            )
        from ferjax.interop import mae_files, torch_files, torch_weights  # leaves: only for files

        # A file for a contrastive training is one of the plain network.
        pretraining = "mae" if config.pretrain.method == "mae" else ""
        state_dict, size = torch_files.read_state_dict(path), config.data.image_size
        if pretraining:
            model = create_model(config, num_classes=2)
            assert isinstance(model, MaskedAutoencoder)
            variables = mae_files.import_mae(model, state_dict, size)
        else:
            variables = torch_weights.import_state_dict(
                config.model.name, state_dict, image_size=size, **model_options(config)
            )
        return Origin(
            shown(str(path)), config.model.name, by_path(variables), None, None, None, [], pretraining
        )
    if not path.is_dir():
        raise UserError(
            f"init.from={path} is no folder; name a workdir, one of its checkpoints, an import, a bundle, a "
            f"file of PyTorch's weights, or {', '.join(names())}"
        )
    variables, meta = weights.load(path)
    check_finite(by_path(variables), path)
    pretraining = meta.get("pretraining", "")
    label_names = None if pretraining else meta.get("label_names") or _result(path).get("label_names")
    return Origin(
        path=shown(str(path)),
        network=meta["model"],
        arrays=by_path(variables),
        label_names=tuple(label_names) if label_names else None,
        image_size=meta.get("image_size"),
        step=meta.get("step"),
        trained_on=meta.get("trained_on", []),
        pretraining=pretraining,
    )


def _of_bundle(network: "Trained", path: Path, config: ConfigDict) -> Origin:
    """Takes a bundle's weights; the sets that made them are looked for where the run's own set lies."""
    here = {"dir": config.data.dir}
    return Origin(
        path=shown(str(path)),
        network=network.config.model.name,
        arrays=by_path(network.variables),
        label_names=network.label_names,
        image_size=network.image_size,
        step=None,
        trained_on=[{**one, "data": {**one["data"], **here}} for one in network.trained_on],
    )


def _result(path: Path) -> dict[str, Any]:
    """Reads the result of a run whose checkpoints do not hold the classes yet."""
    return read_result(path / RESULT) if (path / RESULT).exists() else {}
