"""Optimizers as optax chains."""

import jax
import optax
from ml_collections import ConfigDict

NAMES = ("sgd", "adamw")


def _matrices(params: optax.Params) -> optax.Params:
    """True for weights, False for biases and normalisation scales, which are vectors."""
    return jax.tree.map(lambda p: p.ndim > 1, params)


def create(config: ConfigDict, schedule: optax.Schedule) -> optax.GradientTransformation:
    """Clipping, then SGD (PyTorch's order: decay, momentum, rate) or AdamW.

    Args:
        config: the group `optimizer`. `clip_norm` 0 is off; `decay_vectors` also decays biases and
            normalisation scales, as PyTorch does by default.
        schedule: learning rate by optimizer step.
    """
    mask = None if config.decay_vectors else _matrices
    chain = [optax.clip_by_global_norm(config.clip_norm)] if config.clip_norm else []
    if config.name == "sgd":
        if config.weight_decay:
            chain.append(optax.add_decayed_weights(config.weight_decay, mask))
        chain.append(optax.sgd(schedule, config.momentum or None, config.nesterov))
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
