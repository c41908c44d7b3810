"""The one table of networks that PyTorch knows too, collected from a file a family."""

import importlib
import inspect
from typing import TYPE_CHECKING, Any

from ferjax.errors import UserError
from ferjax.interop import (
    torch_names_facenet,
    torch_names_ran,
    torch_names_resemotenet,
    torch_names_resnet,
    torch_names_stn,
    torch_names_vgg,
)
from ferjax.interop.torch_names import Network

if TYPE_CHECKING:
    import torch

_FAMILIES = (
    torch_names_facenet,
    torch_names_ran,
    torch_names_resemotenet,
    torch_names_resnet,
    torch_names_stn,
    torch_names_vgg,
)

NETWORKS: dict[str, Network] = {
    name: network for family in _FAMILIES for name, network in family.NETWORKS.items()
}


def network(name: str) -> Network:
    """A network's table.

    Raises:
        UserError: there is none of that name.
    """
    if name not in NETWORKS:
        raise UserError(f"PyTorch names are not known for {name!r}; they are for {', '.join(NETWORKS)}")
    return NETWORKS[name]


def counterpart(
    name: str, num_classes: int, image_size: int | None = None, **options: Any
) -> "torch.nn.Module":
    """The same network in PyTorch, with PyTorch's initial weights; see `Network.counterpart`.

    Args:
        name: one with a table.
        num_classes: of the classifier.
        image_size: pixels, where its linear layers depend on them; the table's if None.
        **options: the network's.

    Raises:
        UserError: there is no table of that name, or a package that the counterpart needs is not installed.
    """
    module, _, factory = network(name).counterpart.partition(":")
    try:
        build = getattr(importlib.import_module(module), factory)
    except ModuleNotFoundError as error:
        raise UserError(
            f"{name} in PyTorch needs the package {error.name}: pip install 'ferjax[torch]'"
        ) from error
    if image_size and "image_size" in inspect.signature(build).parameters:
        options["image_size"] = image_size
    return build(num_classes, **options)
