"""Single training steps of the tiny network, from made up weights on made up rows."""

import functools

import jax
import jax.numpy as jnp
import mesh_steps
import optax
import tiny

from ferjax.training import optimizers, state, steps
from ferjax.training.stages import Rules

PLAIN = {
    "model__dropout": 0.0, "augment__flip": False, "augment__translate": 0.0, "loss__label_smoothing": 0.0,
    "optimizer__clip_norm": 0.0, "optimizer__ema_decay": 0.0, "optimizer__weight_decay": 0.0,
}  # fmt: skip
SCHEDULE = optax.linear_schedule(0.1, 0.0, 10)


@functools.cache
def initial(norm):
    """Variables; to make them takes longer than anything here."""
    return tiny.TinyNet(norm=norm).init(jax.random.key(0), jnp.zeros((1, 16, 16, 3)))


def built(class_weights=None, dtype=jnp.float32, norm=True, rules=Rules(), teachers=(), **fields):  # noqa: B008
    """The network, a first state and a jitted step."""
    config = tiny.tiny_configuration(**fields)
    model = tiny.TinyNet(dropout=config.model.dropout, norm=norm, dtype=dtype)
    tx = optimizers.create(config.optimizer, SCHEDULE)
    params, batch_stats = initial(norm)["params"], initial(norm).get("batch_stats", {})
    average = {"params": params, "batch_stats": batch_stats}
    first = state.TrainState(
        step=jnp.int32(0),
        params=params,
        batch_stats=batch_stats,
        opt_state=tx.init(params),
        ema=average if config.optimizer.ema_decay else None,
        rng=jax.random.key(1),
        lr_scale=jnp.float32(1),
    )
    step = steps.make_train_step(model, tx, SCHEDULE, config, class_weights, dtype, rules, teachers)
    return model, first, jax.jit(step)


def batch(rows=16, start=0):
    return {name: jnp.asarray(x) for name, x in mesh_steps.source().take(range(start, start + rows)).items()}
