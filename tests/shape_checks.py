"""Checks the types and shapes in annotations of these packages while tests run; imported before ferjax."""

from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook

check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float, as in PEP 484

CHECKED: tuple[str, ...] = (
    "ferjax.augment",
    "ferjax.explain",
    "ferjax.layers",
    "ferjax.models",
    "ferjax.training.losses",
    "ferjax.training.steps",
)
install_import_hook(CHECKED, "shape_checks.check")
