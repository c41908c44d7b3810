"""Opens the trained network of a run's workdir, or of an import."""

import logging
from pathlib import Path
from typing import Any

from ferjax.errors import UserError, listed
from ferjax.inference.needed_memory import check_one_picture, shapes_and_bytes
from ferjax.inference.trained import IMPORTED, Trained, check_has_classes, trained_on_grey
from ferjax.runs import weights
from ferjax.runs.finite import check_finite
from ferjax.runs.layout import differences, layout
from ferjax.runs.result import read_result
from ferjax.runs.stored_config import stored_config
from ferjax.runs.workdir import CONFIG, RESULT
from ferjax.scores import conformal
from ferjax.scores.calibration import is_temperature
from ferjax.training import affect
from ferjax.training.network import create_model, image_shape
from ferjax.training.paths import by_path

_logger = logging.getLogger(__name__)


def open_workdir(workdir: Path) -> Trained:
    """Reads a workdir with checkpoints, see `ferjax.inference.open_run.open_network`."""
    if not (workdir / CONFIG).exists():
        raise UserError(
            f"{workdir} holds weights without a {CONFIG}: their classes and image size are unknown; import "
            f"them with --classes and --image_size, or train from them with --config.init.from={workdir}"
        )
    _, config = stored_config(workdir)
    check_has_classes(config, workdir)
    variables, meta = weights.load(workdir)
    if meta["model"] != config.model.name:
        raise UserError(
            f"{workdir / CONFIG} is of the network {config.model.name}, but the checkpoints beside it are of "
            f"{meta['model']}; restore the file"
        )
    check_finite(by_path(variables), workdir)
    result = read_result(workdir / RESULT) if (workdir / RESULT).exists() else None
    names = meta.get("label_names") or (result or {}).get("label_names")
    if not names:
        raise UserError(f"{workdir} does not hold the names of its classes; let the run finish")
    step = meta["step"]
    if result is None and config.data.name != IMPORTED:
        _logger.warning(
            "the run in %s is not finished: using the weights of step %s, not calibrated",
            workdir,
            f"{step:,}",
        )
    model = create_model(config, len(names))
    expected, picture = shapes_and_bytes(model, image_shape(config))
    check_one_picture(picture, 0, config.data.source_size or config.data.image_size, workdir / CONFIG)
    size = meta.get("image_size") or config.data.image_size
    expected = affect.with_head(expected, affect.head_of(config, model, image_shape(config)))
    differing = differences(layout(variables), layout({key: expected.get(key, {}) for key in variables}))
    if differing or size != config.data.image_size:
        what = listed(differing, most=2, separator="; ") or f"it was trained at {size} pixels"
        raise UserError(
            f"the network of {workdir / CONFIG} is not the one whose weights are in the checkpoints "
            f"({what}); restore the file"
        )
    return Trained(
        model=model,
        variables=variables,
        config=config,
        label_names=tuple(names),
        image_size=config.data.image_size,
        temperature=_temperature(workdir / RESULT, result, step),
        grey=trained_on_grey(meta.get("grey"), config.data.name),
        sets=_sets(workdir / RESULT, result, step),
        trained_on=tuple(meta.get("trained_on", ())),
    )


def _temperature(path: Path, result: dict[str, Any] | None, step: int) -> float | None:
    """Reads the temperature from a result, if that is of the weights that were read.

    Raises:
        UserError: the result has something else in its place.
    """
    if result is None or result["best_step"] != step:
        return None
    value = result.get("probabilities", {}).get("temperature")
    if value is not None and not is_temperature(value):
        raise UserError(f"{path}: {str(value)[:40]} is no temperature of probabilities; restore the file")
    return None if value is None else float(value)


def _sets(path: Path, result: dict[str, Any] | None, step: int) -> conformal.Sets | None:
    """Reads how sets of classes are made from a result, if that is of the weights that were read.

    Raises:
        UserError: the result has something else in its place.
    """
    measured = (result or {}).get("probabilities", {}).get("sets")
    if result is None or result["best_step"] != step or measured is None:
        return None
    sets = conformal.parsed(
        {"coverage": measured["coverage"], "smallest": measured["overall"].get("smallest")}
    )
    if sets is None:
        raise UserError(
            f"{path}: probabilities.sets does not hold the threshold of its sets; restore the file"
        )
    return sets
