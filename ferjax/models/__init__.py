"""The registry of networks: `create(name, num_classes, **options)` and `names()`."""

import dataclasses
import difflib
from typing import Any

import flax.linen as nn

from ferjax.errors import UserError
from ferjax.models.resemotenet import ResEmoteNet

_MODELS: dict[str, type[nn.Module]] = {
    "resemotenet": ResEmoteNet,
}


def names() -> tuple[str, ...]:
    """The registered networks, sorted."""
    return tuple(sorted(_MODELS))


def create(name: str, num_classes: int = 7, **options: Any) -> nn.Module:
    """Builds a Linen module called as `module.apply(variables, images, train=False)`.

    Args:
        name: one of `names()`.
        num_classes: number of logits.
        **options: attributes of the network's class, such as `dtype`.

    Returns:
        The module; images are float `[B, H, W, C]`, normalised; logits are `[B, num_classes]`.

    Raises:
        UserError: an unknown name or option; the nearest valid ones are listed.
    """
    if name not in _MODELS:
        near = difflib.get_close_matches(name, names(), n=3, cutoff=0.4) or names()
        raise UserError(f"unknown model {name!r}; the nearest are {', '.join(near)}")
    model = _MODELS[name]
    valid = {field.name for field in dataclasses.fields(model)} - {"parent", "name", "num_classes"}
    for option in options:
        if option not in valid:
            raise UserError(f"model {name} has no option {option!r}; it has {', '.join(sorted(valid))}")
    return model(num_classes=num_classes, **options)
