"""The state that one training step hands to the next."""

from typing import Any

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import optax

from ferjax.training import affect, group_dro
from ferjax.training import head as heads
from ferjax.training.head import Head


class TrainState(flax.struct.PyTreeNode):
    """The whole state of a run; a checkpoint is this and a few counters of the loop.

    Attributes:
        step: int32, optimizer steps taken.
        params: the network's weights, float32.
        batch_stats: running statistics of batch normalisation, float32.
        opt_state: optax's.
        ema: averaged `{"params", "batch_stats"}`, or None without averaging.
        rng: typed key; step n uses `fold_in(rng, n)`.
        lr_scale: float32, the plateau schedule's factor on every update.
        head: of a method that has one, see `ferjax.training.head.initial`; None without it.
        group_weights: float32 `[G]`, of group DRO; None without it.
    """

    step: jax.Array
    params: Any
    batch_stats: Any
    opt_state: Any
    ema: Any
    rng: jax.Array
    lr_scale: jax.Array
    head: Any = None
    group_weights: Any = None

    @property
    def variables(self) -> dict[str, Any]:
        """The weights that evaluation uses: the averaged ones if there are any."""
        return self.ema or {"params": self.params, "batch_stats": self.batch_stats}


def create(
    model: nn.Module,
    tx: optax.GradientTransformation,
    image_shape: tuple[int, int, int],
    seed: int | jax.Array,
    ema: bool,
    head: Head | None = None,
    affect_head: affect.Head | None = None,
    groups: int = 0,
) -> TrainState:
    """Makes the initial state; pure, so that it can be jitted with sharded outputs.

    Args:
        model: the network.
        tx: the optimizer.
        image_shape: `(H, W, C)`.
        seed: of the weights and, folded, of dropout and augmentation; uint32 where it is traced.
        ema: whether averaged weights are kept.
        head: what a method with a head needs; None without it.
        affect_head: of valence and arousal, whose parameters are added to the network's; None without one.
        groups: of group DRO; 0 without it.
    """
    init_key, rng = jax.random.split(jax.random.key(seed))
    variables = model.init(init_key, jnp.zeros((1, *image_shape)), train=False)
    params, batch_stats = variables["params"], variables.get("batch_stats", {})
    if affect_head:
        params = {**params, affect.NAME: affect.initial(affect_head, jax.random.fold_in(init_key, 2))}
    average = {"params": params, "batch_stats": batch_stats}
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        batch_stats=batch_stats,
        opt_state=tx.init(params),
        ema=jax.tree.map(jnp.copy, average) if ema else None,
        rng=rng,
        lr_scale=jnp.ones((), jnp.float32),
        head=heads.initial(head, tx, jax.random.fold_in(init_key, 1)) if head else None,
        group_weights=group_dro.initial(groups) if groups else None,
    )


def restarted(state: TrainState, tx: optax.GradientTransformation) -> TrainState:
    """Resets the optimizer and the plateau's factor, as a new stage begins."""
    head = state.head and {**state.head, "opt_state": tx.init(state.head["params"])}
    return state.replace(opt_state=tx.init(state.params), lr_scale=jnp.ones_like(state.lr_scale), head=head)
