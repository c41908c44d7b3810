"""Stages of training in a config: their order, and what must hold of them."""

import re

from ml_collections import ConfigDict

from ferjax.config.schema import STAGE
from ferjax.errors import UserError

_KEY = re.compile(r"stage([1-9]\d*)")


def stages_of(config: ConfigDict) -> tuple[ConfigDict, ...]:
    """Returns a run's stages in order; without `config.stages` one, of the groups train, schedule and init.

    Raises:
        UserError: a stage is not called stage1, stage2, …
    """
    if config.stages:
        return tuple(config.stages[key] for key in sorted(config.stages, key=_number))
    one = {"epochs": config.train.epochs, "learning_rate": config.schedule.learning_rate}
    return (ConfigDict({**STAGE, **one, "freeze": config.init.freeze}),)


def _number(key: str) -> int:
    match = _KEY.fullmatch(key)
    if not match:
        raise UserError(f"config.stages has {key!r}; stages are called stage1, stage2, …")
    return int(match[1])


def check(config: ConfigDict) -> None:
    """Checks what must hold of the stages together; the schema checks each of their fields.

    Raises:
        UserError: they are not numbered from 1 on, the last one trains without the loss, or a field that
            the stages replace is set too.
    """
    numbers = sorted(map(_number, config.stages))
    if numbers != list(range(1, len(numbers) + 1)):
        raise UserError(f"config.stages has the numbers {numbers}; they must be 1, 2, … without a gap")
    stages = stages_of(config)
    if not stages[-1].cross_entropy:
        raise UserError(
            f"the last stage, stages.stage{len(stages)}, has cross_entropy 0: nothing chooses the weights"
        )
    if config.stages:
        replaced = {
            "train.epochs": (config.train.epochs, 0.0, "epochs"),
            "schedule.learning_rate": (config.schedule.learning_rate, 0.0, "learning_rate"),
            "init.freeze": (config.init.freeze, "", "freeze"),
        }
        for field, (value, off, instead) in replaced.items():
            if value != off:
                raise UserError(
                    f"{field} is {value!r}, but this config trains in stages, which say it themselves: set "
                    f"stages.stage1.{instead} (to stages.stage{len(stages)}.{instead}) and leave {field} "
                    f"{off!r}"
                )
