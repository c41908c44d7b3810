"""Losses that a network adds to the cross entropy: sown into a collection that the training step sums."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

COLLECTION = "losses"


def losses_wanted(module: nn.Module) -> bool:
    """Tells whether the caller collects auxiliary losses; what only they need is not computed otherwise.

    This is also so while a network is initialised, so that all of its weights are made.
    """
    return module.is_mutable_collection(COLLECTION)


def sow_loss(module: nn.Module, name: str, values: Float[Array, " B"]) -> None:
    """Keeps one loss of a call; does nothing where none is collected.

    Args:
        module: the network or layer that has the loss.
        name: of the loss, by which stages of training choose it.
        values: one an example, times the network's own weight of this loss.
    """
    wide = values.astype(jnp.promote_types(values.dtype, jnp.float32))
    module.sow(COLLECTION, name, wide, init_fn=lambda: wide, reduce_fn=lambda _, new: new)
