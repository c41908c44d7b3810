"""Checks the types and shapes in annotations of these packages while tests run; imported before ferjax."""

from jaxtyping import install_import_hook

CHECKED: tuple[str, ...] = ("ferjax.explain",)
install_import_hook(CHECKED, "beartype.beartype")
