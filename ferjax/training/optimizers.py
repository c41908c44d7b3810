"""Optimizers as optax chains: one registered function each."""

from collections.abc import Callable, Set
from typing import Any

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from ferjax.registry import OPTIMIZERS, optimizer
from ferjax.training.paths import map_with_path

# Learnt inputs of vision transformers, which their authors treat as biases.
_TOKENS = ("cls_token", "reg_token", "pos_embed")


def _matrices(params: optax.Params) -> optax.Params:
    """True for weights, False for biases, normalisation scales and learnt tokens and positions."""
    return map_with_path(lambda path, p: p.ndim > 1 and path.rpartition("/")[2] not in _TOKENS, params)


def create(config: ConfigDict, schedule: optax.Schedule) -> optax.GradientTransformation:
    """Clipping, then the optimizer of the group `optimizer`.

    Args:
        config: the group `optimizer`. `clip_norm` 0 is off; `decay_vectors` also decays biases,
            normalisation scales, and learnt tokens and positions, as PyTorch does by default.
        schedule: learning rate by optimizer step.

    Raises:
        UserError: `optimizer.name` stands for nothing.
    """
    clip = [optax.clip_by_global_norm(config.clip_norm)] if config.clip_norm else []
    parts = OPTIMIZERS.find(config.name).target(config, schedule, **config.options)
    # One flat chain: the layout of a checkpoint's optimizer state.
    return optax.chain(*clip, *(parts if isinstance(parts, list) else [parts]))


def _decayed(config: ConfigDict) -> Callable[[optax.Params], optax.Params] | None:
    """The mask of what decays; None decays everything."""
    return None if config.decay_vectors else _matrices


def _momentum_dtype(config: ConfigDict) -> jnp.dtype | None:
    """How the mean gradient is kept; None: as the parameters are."""
    return jnp.dtype(jnp.bfloat16) if config.momentum_precision == "bfloat16" else None


@optimizer("sgd")
def sgd(config: ConfigDict, learning_rate: optax.Schedule) -> list[optax.GradientTransformation]:
    """SGD in PyTorch's order: decay, momentum, rate."""
    decay = [optax.add_decayed_weights(config.weight_decay, _decayed(config))] if config.weight_decay else []
    momentum = config.momentum or None
    return [*decay, optax.sgd(learning_rate, momentum, config.nesterov, _momentum_dtype(config))]


@optimizer("adamw")
def adamw(config: ConfigDict, learning_rate: optax.Schedule) -> optax.GradientTransformation:
    """Adam with decoupled weight decay (Loshchilov & Hutter, 2019)."""
    return optax.adamw(
        learning_rate,
        config.beta1,
        config.beta2,
        config.epsilon,
        mu_dtype=_momentum_dtype(config),
        weight_decay=config.weight_decay,
        mask=_decayed(config),
    )


@optimizer("lars")
def lars(config: ConfigDict, learning_rate: optax.Schedule) -> optax.GradientTransformation:
    """SGD whose update of each weight w is scaled by `trust_coefficient`·‖w‖/‖g + decay·w‖ before momentum.

    Biases and normalisation scales have no trust ratio: their norms say nothing about how far they may move.

    References:
        You et al., Large batch training of convolutional networks, 2017. Its ratio has ‖g‖ + decay·‖w‖ below
        the line, optax's and this one the norm of the sum.
    """
    return optax.lars(
        learning_rate,
        config.weight_decay,
        weight_decay_mask=_decayed(config) or True,
        trust_coefficient=config.trust_coefficient,
        trust_ratio_mask=_matrices,
        momentum=config.momentum,
        nesterov=config.nesterov,
    )


@optimizer("lamb")
def lamb(config: ConfigDict, learning_rate: optax.Schedule) -> list[optax.GradientTransformation]:
    """Adam whose update of each weight w is scaled by ‖w‖/‖Adam's update + decay·w‖.

    Not `optax.lamb`, which has the trust ratio on biases and normalisation scales too.

    References:
        You et al., Large batch optimization for deep learning, ICLR 2020, algorithm 2, with φ the identity.
    """
    return [
        optax.scale_by_adam(config.beta1, config.beta2, config.epsilon, mu_dtype=_momentum_dtype(config)),
        optax.add_decayed_weights(config.weight_decay, _decayed(config)),
        optax.masked(optax.scale_by_trust_ratio(), _matrices),
        optax.scale_by_learning_rate(learning_rate),
    ]


def without_frozen(
    tx: optax.GradientTransformation, new: optax.OptState, old: optax.OptState, frozen: Set[str], params: Any
) -> optax.OptState:
    """Undoes an update of the state where it belongs to frozen parameters.

    Args:
        tx: the optimizer.
        new: its state after an update.
        old: its state before.
        frozen: paths of parameters, such as `conv1/kernel`.
        params: all parameters.
    """
    stays = map_with_path(lambda path, _: path in frozen, params)
    kept = optax.tree_map_params(tx, lambda _, stay: stay, new, stays, transform_non_params=lambda _: False)
    return jax.tree.map(lambda stay, after, before: before if stay else after, kept, new, old)
