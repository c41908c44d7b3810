"""The configuration: every field with its default, and the checks before anything is built."""

from ferjax.config.defaults import STAGE, defaults
from ferjax.config.stages import stages_of
from ferjax.config.validation import (
    FREE_FIELDS,
    flat,
    model_options,
    override,
    set_stages,
    split_argument,
    unknown_field,
    validate,
)

__all__ = [
    "FREE_FIELDS", "STAGE", "defaults", "flat", "model_options", "override", "set_stages", "split_argument",
    "stages_of", "unknown_field", "validate",
]  # fmt: skip
