"""Networks that have a counterpart in PyTorch: their tables of names, and the counterpart itself.

The tables are found in the files of `ferjax.interop.torch_names`, so that a new file there is enough.
"""

import importlib
import inspect
import pkgutil
from typing import TYPE_CHECKING, Any

from ferjax.errors import UserError, nearest
from ferjax.interop import torch_names
from ferjax.interop.name_tables import Network

if TYPE_CHECKING:
    import torch


def _collected() -> dict[str, Network]:
    """Collects `NETWORKS` of every file."""
    files = pkgutil.iter_modules(torch_names.__path__, f"{torch_names.__name__}.")
    tables = [importlib.import_module(file.name).NETWORKS for file in files]
    return {name: network for table in tables for name, network in table.items()}


NETWORKS = _collected()


def network(name: str) -> Network:
    """Looks a network's table up.

    Raises:
        UserError: there is none of that name.
    """
    if name not in NETWORKS:
        raise UserError(
            f"model {name!r} has no counterpart in PyTorch; the nearest that have one are "
            + nearest(name, NETWORKS)
        )
    return NETWORKS[name]


def counterpart(
    name: str, num_classes: int, image_size: int | None = None, **options: Any
) -> "torch.nn.Module":
    """Builds the same network in PyTorch, with PyTorch's initial weights; see `Network.counterpart`.

    Args:
        name: one with a table.
        num_classes: of the classifier.
        image_size: pixels, where its linear layers depend on them; the counterpart's own default if None.
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
