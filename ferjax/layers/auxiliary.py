"""Losses that a network adds to the cross entropy: sown into a collection that the training step adds up."""

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

COLLECTION = "losses"


def losses_wanted(module: nn.Module) -> bool:
    """Whether the caller collects auxiliary losses; what only they need is not computed otherwise.

    True while a network is initialised, too, so that all of its weights are made.
    """
    return module.is_mutable_collection(COLLECTION)


def sow_loss(module: nn.Module, name: str, values: Array) -> None:
    """Keeps one loss of a call, or does nothing where none is collected.

    Args:
        module: the network or layer that has the loss.
        name: what stages choose it by.
        values: one value an example, `[B]`, times the network's own weight of this loss.
    """
    wide = values.astype(jnp.promote_types(values.dtype, jnp.float32))
    module.sow(COLLECTION, name, wide, init_fn=lambda: 0, reduce_fn=lambda _, new: new)
