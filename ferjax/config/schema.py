"""The schema of the config: a row for each field, and the ConfigDict of defaults that comes from the rows."""

import copy
from typing import Any

from ml_collections import ConfigDict

from ferjax.config import data_fields, run_fields, training_fields
from ferjax.config.field import Field, Place

# In the order of a config.
FIELDS: tuple[Field, ...] = (
    *data_fields.MODEL, *data_fields.DATA, *data_fields.AUGMENT,
    *training_fields.LOSS, *training_fields.AFFECT, *training_fields.DISTILL, *training_fields.PRETRAIN,
    *training_fields.OPTIMIZER, *training_fields.SCHEDULE, *training_fields.TRAIN,
    *run_fields.INIT, *run_fields.STAGES, *run_fields.MESH, *run_fields.CHECKPOINT, *run_fields.EVAL,
)  # fmt: skip
STAGE_FIELDS: dict[str, Field] = {field.name.rpartition(".")[2]: field for field in run_fields.STAGE_FIELDS}

# The fields of a stage with their defaults.
STAGE: dict[str, Any] = {name: field.default for name, field in STAGE_FIELDS.items()}
# Fields that never change a number: a run may go on with other values of these.
FREE_FIELDS: tuple[str, ...] = tuple(field.name for field in FIELDS if field.free)
# Fields that hold paths: useless on another machine, and private.
PATH_FIELDS: tuple[str, ...] = (
    *(field.name for field in FIELDS if isinstance(field.allowed, Place)), "distill.from",
)  # fmt: skip
# Groups whose fields are the options of a function that the config names.
OPTION_GROUPS: tuple[str, ...] = tuple(field.name for field in FIELDS if field.name.endswith(".options"))


def defaults() -> ConfigDict:
    """Returns a complete config; a recipe changes what its paper says and adds the network's options."""
    config: dict[str, Any] = {}
    for field in FIELDS:
        group, _, name = field.name.rpartition(".")
        (config.setdefault(group, {}) if group else config)[name] = copy.copy(field.default)
    return ConfigDict(config)
