"""The configuration: every field with its default, and the checks before anything is built."""

from ferjax.config.idle_fields import idle_fields
from ferjax.config.options import model_options
from ferjax.config.overrides import flat, is_option, override, set_stages, split_argument, unknown_field
from ferjax.config.pretraining import is_pretraining, needs_classes
from ferjax.config.schema import FIELDS, FREE_FIELDS, PATH_FIELDS, STAGE, defaults
from ferjax.config.stages import stages_of
from ferjax.config.validation import validate

__all__ = [
    "FIELDS", "FREE_FIELDS", "PATH_FIELDS", "STAGE", "defaults", "flat", "idle_fields", "is_option",
    "is_pretraining", "model_options", "needs_classes", "override", "set_stages", "split_argument",
    "stages_of", "unknown_field", "validate",
]  # fmt: skip
