"""Losses that a network adds to the cross entropy: sown into a collection that the training step sums."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

COLLECTION = "losses"

Labels = Int[Array | np.ndarray, " B"] | Float[Array | np.ndarray, "B K"]


def losses_wanted(module: nn.Module) -> bool:
    """Tells whether the caller collects auxiliary losses; what only they need is not computed otherwise.

    This is also so while a network is initialised, so that all of its weights are made.
    """
    return module.is_mutable_collection(COLLECTION)


def sow_loss(
    module: nn.Module, name: str, values: Float[Array, ""] | Float[Array, " B"] | Float[Array, "B K"]
) -> None:
    """Keeps one loss of a call; does nothing where none is collected.

    A network is not told the labels. A loss that depends on them is kept as `[B, K]`, what each example's
    loss would be if its class were k; `loss_by_example` chooses by the label.

    Args:
        module: the network or layer that has the loss.
        name: of the loss, by which stages of training choose it.
        values: one an example, or one an example and class, or one of the whole batch; times the network's
            own weight of this loss.
    """
    wide = values.astype(jnp.promote_types(values.dtype, jnp.float32))
    module.sow(COLLECTION, name, wide, init_fn=lambda: wide, reduce_fn=lambda _, new: new)


def loss_by_example(
    sown: Float[Array, ""] | Float[Array, " B"] | Float[Array, "B K"], labels: Labels
) -> Float[Array, " B"]:
    """Computes the loss of each example from what `sow_loss` kept.

    Args:
        sown: `[B]`; or `[B, K]`, which is weighed with the label's distribution; or a scalar, which counts as
            every example's.
        labels: integers in [0, K), or distributions, as mixup makes them.
    """
    if sown.ndim < 2:
        return jnp.broadcast_to(sown, (len(labels),))
    target = labels if labels.ndim == 2 else jax.nn.one_hot(labels, sown.shape[1], dtype=sown.dtype)
    return (jnp.asarray(target, sown.dtype) * sown).sum(axis=1)
