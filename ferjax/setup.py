"""From a config to the parts of a run: data, network, optimizer, shardings and jitted steps."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh
from ml_collections import ConfigDict

from ferjax import data, models, optimizers, schedules, state, steps
from ferjax.config import model_options
from ferjax.data.balance import epochs
from ferjax.data.sources import Source
from ferjax.distributed import batch_sharding, replicated, state_shardings
from ferjax.losses import class_weights
from ferjax.state import TrainState


@dataclasses.dataclass(frozen=True)
class Plan:
    """Lengths in steps.

    Attributes:
        total: of the run.
        evaluate_every: between validations.
        per_epoch: of one pass over the training split, possibly a fraction.
    """

    total: int
    evaluate_every: int
    per_epoch: float

    def evaluates(self, step: int) -> bool:
        """Whether a validation follows this step: always the last, and none just before it."""
        regular = step % self.evaluate_every == 0 and self.total - step >= self.evaluate_every / 2
        return regular or step == self.total


def plan(config: ConfigDict, examples: int) -> Plan:
    """Turns epochs into steps; an epoch trains on `examples` images, some of them twice if balanced."""
    per_epoch = examples / config.train.batch_size
    total = max(round(config.train.epochs * per_epoch), 1)
    if config.train.max_steps:
        total = min(total, config.train.max_steps)
    return Plan(total, max(round(config.eval.every_epochs * per_epoch), 1), per_epoch)


def build_model(config: ConfigDict, num_classes: int) -> nn.Module:
    """The network of the group `model` in the precision of `train`, tried on the config's image size.

    Raises:
        UserError: it cannot take such images.
    """
    dtype = jnp.dtype(config.train.precision)
    model = models.create(config.model.name, num_classes, dtype=dtype, **model_options(config))
    images = jnp.zeros((1, *image_shape(config)))
    jax.eval_shape(partial(model.init, train=False), jax.random.key(0), images)
    return model


def image_shape(config: ConfigDict) -> tuple[int, int, int]:
    """(H, W, C) of what the network sees."""
    return (config.data.image_size, config.data.image_size, 3)


def load_split(config: ConfigDict, split: str, cache: str | None = None) -> Source:
    """A split of the group `data`; `cache` replaces the config's."""
    return data.load(
        config.data.name,
        split,
        config.data.dir or None,
        image_size=config.data.source_size or config.data.image_size,
        cache=cache or config.data.cache,
        val_fraction=config.data.val_fraction,
        fold=config.data.fold,
        drop_leaks=config.data.drop_leaks,
    )


def build_eval_step(
    config: ConfigDict, model: nn.Module, allowed: np.ndarray | None = None
) -> Callable[..., Any]:
    """`ferjax.steps.make_eval_step` for images as `load_split` gives them; `allowed` is bool `[K]`."""
    size = config.data.image_size if config.data.source_size else None
    dtype = jnp.dtype(config.train.precision)
    return steps.make_eval_step(model, model.num_classes, dtype, size, config.eval.crops, allowed)


@dataclasses.dataclass(frozen=True)
class Parts:
    """What the loop works with.

    Attributes:
        plan: the run's lengths.
        init: jitted; gives the initial state, laid out on the mesh.
        like: a state of `ShapeDtypeStruct`s with shardings, to restore into.
        train_step: jitted `(state, batch) -> (state, sums)`; the state is donated.
        eval_step: jitted `(variables, batch) -> sums`.
    """

    plan: Plan
    init: Callable[[], TrainState]
    like: TrainState
    train_step: Callable[..., Any]
    eval_step: Callable[..., Any]


def state_layout(
    config: ConfigDict, model: nn.Module, tx: optax.GradientTransformation, mesh: Mesh
) -> tuple[Callable[[], TrainState], TrainState]:
    """How an initial state is made, and its `ShapeDtypeStruct`s with their shardings on the mesh."""
    averaging = config.optimizer.ema_decay > 0
    init = partial(state.create, model, tx, image_shape(config), config.train.seed, averaging)
    shapes = jax.eval_shape(init)
    like = jax.tree.map(
        lambda leaf, where: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=where),
        shapes,
        state_shardings(shapes, mesh),
    )
    return init, like


def assemble(config: ConfigDict, train: Source, mesh: Mesh) -> Parts:
    """Builds network, optimizer and steps for a training split on a mesh; nothing is computed yet."""
    num_classes = len(train.label_names)
    lengths = plan(config, len(epochs(train, config.data.balance)))
    model = build_model(config, num_classes)
    schedule = schedules.create(config.schedule, lengths.per_epoch, lengths.total)
    tx = optimizers.create(config.optimizer, schedule)
    weights = class_weights(config.loss.class_weights, train.labels, num_classes, config.loss.effective_beta)

    init, like = state_layout(config, model, tx, mesh)
    shardings = jax.tree.map(lambda leaf: leaf.sharding, like)
    dtype = jnp.dtype(config.train.precision)
    train_step = steps.make_train_step(model, tx, schedule, config, weights, dtype)
    eval_step = build_eval_step(config, model)
    return Parts(
        plan=lengths,
        init=jax.jit(init, out_shardings=shardings),
        like=like,
        train_step=jax.jit(
            train_step,
            in_shardings=(shardings, batch_sharding(mesh)),
            out_shardings=(shardings, replicated(mesh)),
            donate_argnums=0,
        ),
        eval_step=jax.jit(eval_step, out_shardings=replicated(mesh)),
    )
