"""Checks the types and shapes in annotations of these packages while tests run; imported before ferjax."""

from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook

_beartype = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float, as in PEP 484


def check(function):
    """Checks a function's arguments and result, but not those of one that another function defines.

    Such a function is made anew at each call, and so would be its check, which takes beartype milliseconds:
    for a network of a hundred layers as long as compiling it.
    """
    return function if "<locals>" in function.__qualname__ else _beartype(function)


CHECKED: tuple[str, ...] = (
    "ferjax.augment",
    "ferjax.explain",
    "ferjax.layers",
    "ferjax.models",
    "ferjax.training.losses",
    "ferjax.training.steps",
)
install_import_hook(CHECKED, "shape_checks.check")
