"""Optimizers as optax chains."""

from collections.abc import Set
from typing import Any

import jax
import optax
from flax.traverse_util import path_aware_map
from ml_collections import ConfigDict

NAMES = ("sgd", "adamw", "lars", "lamb")


def _matrices(params: optax.Params) -> optax.Params:
    """True for weights, False for biases and normalisation scales, which are vectors."""
    return jax.tree.map(lambda p: p.ndim > 1, params)


def create(config: ConfigDict, schedule: optax.Schedule) -> optax.GradientTransformation:
    """Clipping, then SGD (PyTorch's order: decay, momentum, rate), AdamW, LARS or LAMB.

    LARS and LAMB are SGD and Adam whose update of each weight w is scaled by a trust ratio: for LARS
    `trust_coefficient`·‖w‖/‖g + decay·w‖ before momentum, for LAMB ‖w‖/‖Adam's update + decay·w‖. Biases and
    normalisation scales have no trust ratio: their norms say nothing about how far they may move.

    Args:
        config: the group `optimizer`. `clip_norm` 0 is off; `decay_vectors` also decays biases and
            normalisation scales, as PyTorch does by default.
        schedule: learning rate by optimizer step.

    References:
        You et al., Large batch training of convolutional networks, 2017 (LARS; its ratio has ‖g‖ + decay·‖w‖
        below the line, optax's and this one the norm of the sum); You et al., Large batch optimization for
        deep learning, ICLR 2020, algorithm 2 (LAMB, with φ the identity).
    """
    mask = None if config.decay_vectors else _matrices
    chain = [optax.clip_by_global_norm(config.clip_norm)] if config.clip_norm else []
    if config.name == "sgd":
        if config.weight_decay:
            chain.append(optax.add_decayed_weights(config.weight_decay, mask))
        chain.append(optax.sgd(schedule, config.momentum or None, config.nesterov))
    elif config.name == "lars":
        chain.append(
            optax.lars(
                schedule,
                config.weight_decay,
                weight_decay_mask=mask or True,
                trust_coefficient=config.trust_coefficient,
                trust_ratio_mask=_matrices,
                momentum=config.momentum,
                nesterov=config.nesterov,
            )
        )
    elif config.name == "lamb":
        # Not optax.lamb: that one has the trust ratio on vectors too.
        chain += [
            optax.scale_by_adam(config.beta1, config.beta2, config.epsilon),
            optax.add_decayed_weights(config.weight_decay, mask),
            optax.masked(optax.scale_by_trust_ratio(), _matrices),
            optax.scale_by_learning_rate(schedule),
        ]
    else:
        chain.append(
            optax.adamw(
                schedule,
                config.beta1,
                config.beta2,
                config.epsilon,
                weight_decay=config.weight_decay,
                mask=mask,
            )
        )
    return optax.chain(*chain)


def without_frozen(
    tx: optax.GradientTransformation, new: optax.OptState, old: optax.OptState, frozen: Set[str], params: Any
) -> optax.OptState:
    """An updated state in which what belongs to frozen parameters is as it was.

    Args:
        tx: the optimizer.
        new: its state after an update.
        old: its state before.
        frozen: paths of parameters, such as `conv1/kernel`.
        params: all parameters.
    """
    stays = path_aware_map(lambda path, _: "/".join(path) in frozen, params)
    kept = optax.tree_map_params(tx, lambda _, stay: stay, new, stays, transform_non_params=lambda _: False)
    return jax.tree.map(lambda stay, after, before: before if stay else after, kept, new, old)
