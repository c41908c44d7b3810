"""The arrays of a network with their names and shapes on both sides; nothing is computed."""

import functools
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from ferjax import models
from ferjax.interop.name_tables import Leaf, Network

COLLECTIONS = ("params", "batch_stats")


# A state dict is tried in several readings, and each asks for the same shapes.
@functools.lru_cache(maxsize=8)
def _shapes(model: nn.Module, size: int) -> Mapping[str, tuple[int, ...]]:
    """Returns the shape of every variable of a network for square images, by its path."""
    images = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    variables = jax.eval_shape(partial(model.init, train=False), jax.random.key(0), images)
    kept = {key: variables[key] for key in COLLECTIONS if key in variables}  # not what a network sows
    leaves = jax.tree_util.tree_leaves_with_path(kept)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf.shape for path, leaf in leaves}


class Weight(NamedTuple):
    """One array of a model: its layer's kind, its Flax path, and its shape on both sides."""

    leaf: Leaf
    path: str
    flax_shape: tuple[int, ...]
    torch_shape: tuple[int, ...]


def arrays_of(
    name: str, network: Network, num_classes: int | None, options: Mapping[str, Any]
) -> dict[str, Weight]:
    """Describes every array of a network by its PyTorch name, in PyTorch's order.

    Args:
        name: the network's registered name.
        network: its table; its `image_size` gives every layer its shape.
        num_classes: of the classifier; the network's own default if None.
        options: the network's.
    """
    classes = {} if num_classes is None else {"num_classes": num_classes}
    shapes = dict(_shapes(models.create(name, **classes, **options), network.image_size))
    weights = {}
    for row in network.rows:
        for leaf in row.kind:
            path = row.path(leaf)
            if path in shapes:
                shape = shapes.pop(path)
                # A broadcast scalar has the shape without the memory.
                torch_shape = leaf.to_torch(np.broadcast_to(np.float32(0), shape)).shape
                weights[row.torch_key(leaf)] = Weight(leaf, path, shape, torch_shape)
    if shapes:
        raise LookupError(f"the table of {name} has no row for {', '.join(shapes)}")
    return weights
