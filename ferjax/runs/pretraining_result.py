"""`result.json` of a run of pre-training: losses, for there are no classes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ferjax import files
from ferjax.config.training_fields import PRETRAINING_METHODS as METHODS
from ferjax.errors import UserError
from ferjax.runs.result import DEVICE, METHOD, RUN_FACTS, require
from ferjax.runs.result_content import Cost, Environment, Training, run_facts
from ferjax.runs.result_fields import RESULT, check_fields

_FIELDS = (METHOD, "model", "dataset", "best_step", "steps", "epochs", "validation", "test", *RUN_FACTS)


def build(
    method: str,
    training: Training,
    best_step: int,
    losses: Mapping[str, float],
    overlap: Mapping[str, Any] | None,
    cost: Cost,
    environment: Environment,
) -> dict[str, Any]:
    """Builds the content of the file. Pure.

    Args:
        method: `pretrain.method`.
        training: what was trained; its classes are not stored.
        best_step: the step that validation chose and that was tested.
        losses: the mean loss at that step, by split: `validation` and `test`.
        overlap: see `ferjax.runs.result_content.Scores`.
        cost: time, speed and memory.
        environment: where, when, and with which libraries.

    Raises:
        ValueError: the date has no time zone.
    """
    optional = {"init": training.init, "overlap": overlap}
    return {
        METHOD: method,
        "model": training.model,
        "dataset": training.dataset,
        "best_step": int(best_step),
        "steps": int(training.steps),
        "epochs": training.epochs,
        "validation": {"loss": float(losses["validation"])},
        "test": {"loss": float(losses["test"])},
        **run_facts(training, cost, environment),
        **{name: dict(value) for name, value in optional.items() if value},
    }


def read(path: Path | str) -> dict[str, Any]:
    """Reads the `result.json` of a run of pre-training and checks its fields.

    Raises:
        UserError: the file is missing, damaged, or of a run with classes.
    """
    result = files.read_json(path)
    require(path, "the file", result, _FIELDS)
    if result[METHOD] not in METHODS[1:]:
        raise UserError(f"{path}: {METHOD} is not a method of pre-training; restore the file")
    for split in ("validation", "test"):
        require(path, split, result[split], ("loss",))
    require(path, "device", result["device"], DEVICE)
    require(path, "versions", result["versions"], ())
    require(path, "split_digests", result["split_digests"], ())
    if "overlap" in result:
        require(path, "overlap", result["overlap"], ("images",))
    check_fields(path, result, RESULT)
    return result
