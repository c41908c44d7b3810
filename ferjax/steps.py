"""The pure steps: one update, one evaluated batch, one predicted batch."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from ml_collections import ConfigDict

from ferjax.data.augment import augment, normalise
from ferjax.losses import cross_entropy
from ferjax.state import TrainState

Batch = dict[str, Array]
Sums = dict[str, Array]


def _accumulate(
    gradients: Callable[..., tuple[Any, Any, Sums]], batch_stats: Any, batch: Batch, key: Array, parts: int
) -> tuple[Any, Any, Sums]:
    """Adds the gradients of `parts` smaller batches one after another.

    Part a takes rows a, a + parts, …: on a sharded batch every device keeps its own rows.
    """

    def split(x: Array) -> Array:
        return x.reshape(x.shape[0] // parts, parts, *x.shape[1:]).swapaxes(0, 1)

    def body(carry: tuple[Any, Any, Sums], item: tuple[Batch, Array]) -> tuple[tuple[Any, Any, Sums], None]:
        grads, stats, sums = carry
        rows, index = item
        new_grads, stats, new_sums = gradients(stats, rows, jax.random.fold_in(key, index))
        return (jax.tree.map(jnp.add, grads, new_grads), stats, jax.tree.map(jnp.add, sums, new_sums)), None

    parts_of_batch = jax.tree.map(split, batch)
    first = jax.tree.map(lambda x: x[0], parts_of_batch)
    shapes, _, sums = jax.eval_shape(gradients, batch_stats, first, key)
    zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), (shapes, sums))
    carry = (zeros[0], batch_stats, zeros[1])
    return jax.lax.scan(body, carry, (parts_of_batch, jnp.arange(parts)))[0]


def make_train_step(
    model: nn.Module,
    tx: optax.GradientTransformation,
    schedule: optax.Schedule,
    config: ConfigDict,
    class_weights: np.ndarray | None,
    dtype: jnp.dtype,
) -> Callable[[TrainState, Batch], tuple[TrainState, Sums]]:
    """Builds `train_step(state, batch) -> (state, sums)`, to be jitted with shardings.

    Args:
        model: the network.
        tx: the optimizer.
        schedule: the learning rate that `tx` uses, to be reported.
        config: the groups `augment`, `loss`, `optimizer` and `train` are read.
        class_weights: `[K]` or None.
        dtype: compute dtype.

    Returns:
        A pure function of a state and a batch `{"image": uint8 [B, H, W, C], "label": int32 [B]}`. Its sums
        are `loss` (weighted), `weight`, `correct` and `count`, totals over the batch, and this step's
        `learning_rate`: float32 scalars.
    """
    weights = (
        None if class_weights is None else jnp.asarray(class_weights, jnp.promote_types(dtype, jnp.float32))
    )
    smoothing = config.loss.label_smoothing
    parts = config.train.accumulate_steps
    decay = config.optimizer.ema_decay

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, Sums]:
        key = jax.random.fold_in(state.rng, state.step)
        augment_key, dropout_key = jax.random.split(key)
        images = augment(augment_key, batch["image"], config.augment)
        labels = batch["label"]
        total = labels.size if weights is None else weights[labels].sum()

        def loss_of(params: Any, stats: Any, rows: Batch, dropout_key: Array) -> tuple[Array, Any]:
            logits, updates = model.apply(
                {"params": params, "batch_stats": stats},
                normalise(rows["image"], dtype),
                train=True,
                mutable=["batch_stats"],
                rngs={"dropout": dropout_key},
            )
            loss, weight = cross_entropy(logits, rows["label"], weights, smoothing)
            sums = {
                "loss": loss.sum(),
                "weight": weight.sum(),
                "correct": (logits.argmax(-1) == rows["label"]).sum(dtype=jnp.float32),
                "count": jnp.float32(loss.size),
            }
            # Divided by the whole batch's weight, so that the parts' gradients add up to the batch's.
            return loss.sum() / total, (updates.get("batch_stats", {}), sums)

        def gradients(stats: Any, rows: Batch, dropout_key: Array) -> tuple[Any, Any, Sums]:
            grads, (stats, sums) = jax.grad(loss_of, has_aux=True)(state.params, stats, rows, dropout_key)
            return grads, stats, sums

        rows = {"image": images, "label": labels}
        if parts > 1:
            grads, stats, sums = _accumulate(gradients, state.batch_stats, rows, dropout_key, parts)
        else:
            grads, stats, sums = gradients(state.batch_stats, rows, dropout_key)

        updates, opt_state = tx.update(grads, state.opt_state, state.params)
        updates = jax.tree.map(lambda u: u * state.lr_scale, updates)
        params = optax.apply_updates(state.params, updates)
        ema = state.ema
        if ema is not None:
            new = {"params": params, "batch_stats": stats}
            ema = jax.tree.map(lambda old, x: decay * old + (1 - decay) * x, ema, new)
        sums["learning_rate"] = jnp.asarray(schedule(state.step) * state.lr_scale, jnp.float32)
        state = state.replace(
            step=state.step + 1, params=params, batch_stats=stats, opt_state=opt_state, ema=ema
        )
        return state, sums

    return train_step


def make_eval_step(model: nn.Module, num_classes: int, dtype: jnp.dtype) -> Callable[[Any, Batch], Sums]:
    """Builds `eval_step(variables, batch) -> sums`; rows whose `mask` is 0 change nothing.

    The sums are `loss` (plain cross entropy), `count` and `confusion` (int32 `[K, K]`, rows actual, columns
    predicted); a batch is `{"image": uint8 [B, H, W, C], "label": int32 [B], "mask": float32 [B]}`.
    """
    predict_step = make_predict_step(model, dtype)

    def eval_step(variables: Any, batch: Batch) -> Sums:
        logits = predict_step(variables, batch["image"])
        loss, _ = cross_entropy(logits, batch["label"])
        real = batch["mask"] > 0
        actual = jax.nn.one_hot(batch["label"], num_classes, dtype=jnp.int32) * real[:, None]
        predicted = jax.nn.one_hot(logits.argmax(-1), num_classes, dtype=jnp.int32)
        return {
            # Not loss · mask: a padded row's infinity would leak through as NaN.
            "loss": jnp.where(real, loss, 0).sum(),
            "count": real.sum(dtype=jnp.float32),
            "confusion": actual.T @ predicted,
        }

    return eval_step


def make_predict_step(model: nn.Module, dtype: jnp.dtype) -> Callable[[Any, Array], Array]:
    """Builds `predict_step(variables, images) -> logits`: uint8 `[B, H, W, C]` to `[B, K]`."""

    def predict_step(variables: Any, images: Array) -> Array:
        return model.apply(variables, normalise(images, dtype), train=False)

    return predict_step
