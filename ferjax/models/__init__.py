"""Networks by name: `create(name, num_classes, **options)` and `names()`.

Each file of this folder registers its networks with the decorator `ferjax.registry.network`.
"""

import dataclasses
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from ferjax.config.option_values import check_attributes
from ferjax.errors import UserError, foreign
from ferjax.platform.failures import describe_failure
from ferjax.registry import NETWORKS

# What a class must have beside its options, and how to add it.
_NEEDED = {
    "num_classes": "the number of logits: add `num_classes: int = 7` to the class",
    "dtype": "the dtype that it computes in: add `dtype: flax.typing.Dtype | None = None` to the class",
}


def names() -> tuple[str, ...]:
    """Lists the registered networks, sorted.

    >>> "resemotenet" in names()
    True
    """
    return NETWORKS.names()


def create(name: str, num_classes: int = 7, **options: Any) -> nn.Module:
    """Builds a Linen module called as `module.apply(variables, images, train=False)`.

    >>> create("resnet18", num_classes=8, zero_init_residual=True).num_classes
    8

    Args:
        name: one of `names()`, or `package.module:Class` for a Linen module of your own.
        num_classes: number of logits.
        **options: attributes of the network's class that the name does not fix, such as `dtype`.

    Returns:
        The module; images are float `[B, H, W, C]`, normalised; logits are `[B, num_classes]`.

    Raises:
        UserError: an unknown name or option; the nearest valid ones are listed. Or an option has a wrong
            type or value; or the class cannot be imported, is no Linen module or lacks an attribute that
            every network has.
    """
    network = NETWORKS.find(name).target
    module, fixed = (network.func, network.keywords) if isinstance(network, partial) else (network, {})
    if not (isinstance(module, type) and issubclass(module, nn.Module)):
        raise UserError(f"model {name!r} is not a class of Linen modules (flax.linen.Module)")
    attributes = {field.name for field in dataclasses.fields(module)} - {"parent", "name", *fixed}
    for needed, how in _NEEDED.items():
        if needed not in attributes and needed in ("num_classes", *options):
            raise UserError(f"model {name} has no attribute {needed}, {how}")
    valid = attributes - {"num_classes"}
    for option in options:
        if option not in valid:
            raise UserError(f"model {name} has no option {option!r}; it has {', '.join(sorted(valid))}")
    # First, for a network may do anything with an option of a wrong type.
    plain = {option: value for option, value in options.items() if option != "dtype"}
    check_attributes("model", module, plain)
    return network(num_classes=num_classes, **options)


def initial_shapes(model: nn.Module, image_shape: tuple[int, int, int]) -> Any:
    """Traces a network's initialisation, and so checks that it takes such images; nothing is computed.

    Args:
        model: the network.
        image_shape: (H, W, C).

    Returns:
        The variables as `jax.ShapeDtypeStruct`s.

    Raises:
        UserError: a network cannot take such images, or gives something else than logits
            `[B, num_classes]`. Whatever a network of ferjax itself raises is passed on.
    """
    images, module = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32), type(model)
    place = f"{module.__module__}:{module.__qualname__}"
    try:
        logits, variables = jax.eval_shape(
            partial(model.init_with_output, train=False), jax.random.key(0), images
        )
    except UserError:
        raise
    except Exception as error:  # code of the user's own: anything may go wrong in it
        if module.__module__.startswith("ferjax.") or describe_failure(error):
            raise
        what = foreign(error)
        raise UserError(
            f"{place} cannot be called as module(images, train=False) for images {images.shape}: {what}"
        ) from error
    given, wanted = jax.tree.map(jnp.shape, logits), (1, model.num_classes)
    if given != wanted:
        raise UserError(
            f"{place} gives {given} for images {images.shape}; it must give logits {wanted}, [B, num_classes]"
        )
    return variables
