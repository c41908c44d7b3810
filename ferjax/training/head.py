"""Heads on the classifier's input that a method trains beside the network, and throws away after.

They are in the training state alone: the plain network is validated, tested and exported.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Key
from ml_collections import ConfigDict

from ferjax.training import rul, scn

Head = scn.Cure | rul.Uncertainty


def head_of(
    config: ConfigDict, model: nn.Module, image_shape: tuple[int, int, int], examples: int, per_epoch: float
) -> Head | None:
    """Returns what the method needs that has a head, or None where there is none.

    Args:
        config: the group `loss` is read.
        model: the network.
        image_shape: `(H, W, C)`.
        examples: of the training split.
        per_epoch: steps of an epoch, possibly a fraction.

    Raises:
        UserError: the network does not end in a linear layer.
    """
    return scn.cure_of(config, model, image_shape, examples, per_epoch) or rul.uncertainty_of(
        config, model, image_shape
    )


def initial(head: Head, tx: optax.GradientTransformation, key: Key[Array, ""]) -> dict[str, Any]:
    """Makes the part of a state that belongs to the method.

    Returns:
        `params`: of the head; `opt_state`: its optimizer's; for the self-cure method also `labels`, int32
        `[N]`, −1 where an example has the label of the data set.
    """
    if isinstance(head, rul.Uncertainty):
        params = rul.initial(head, key)
        return {"params": params, "opt_state": tx.init(params)}
    params = scn.initial(head, key)
    labels = jnp.full(head.examples, -1, jnp.int32)
    return {"params": params, "opt_state": tx.init(params), "labels": labels}


def moved(
    state: dict[str, Any], tx: optax.GradientTransformation, gradients: Any, rate: Array
) -> dict[str, Any]:
    """Takes one optimizer step of a head's weights.

    Args:
        state: as `initial` makes it.
        tx: the optimizer.
        gradients: of `params`.
        rate: factor on the learning rate.
    """
    updates, opt_state = tx.update(gradients, state["opt_state"], state["params"])
    params = optax.apply_updates(state["params"], jax.tree.map(lambda u: u * rate, updates))
    return {**state, "params": params, "opt_state": opt_state}
