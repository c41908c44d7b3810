"""Fields that are set and change nothing, because the method that they belong to is off."""

from ml_collections import ConfigDict

from ferjax.config.field import shown
from ferjax.config.overrides import flat
from ferjax.config.schema import FIELDS

# How the fields of a method begin → the field that switches it on.
_METHODS = {
    "affect.": "affect.head",
    "distill.": "distill.from",
    "loss.rul_": "loss.rul",
    "loss.scn_": "loss.scn",
    "optimizer.sam_": "optimizer.sam_rho",
}


def idle_fields(config: ConfigDict) -> list[str]:
    """Returns a sentence for each field that differs from its default and is read by no method.

    They are no errors: a method is switched off by one field, and the others may stay.

    Args:
        config: a valid one.

    >>> from ferjax.config import defaults
    >>> config = defaults()
    >>> config.distill.attention = 1.0
    >>> idle_fields(config)
    ['distill.attention=1.0 changes nothing without distill.from']
    """
    values = dict(flat(config))
    changed = [field.name for field in FIELDS if values.get(field.name, field.default) != field.default]
    return [
        f"{name}={shown(values[name])} changes nothing without {switch}"
        for prefix, switch in _METHODS.items()
        if switch not in changed
        for name in changed
        if name.startswith(prefix)
    ]
