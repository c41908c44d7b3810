"""The pure steps: one update, one evaluated batch, one predicted batch."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Key, UInt8
from ml_collections import ConfigDict

from ferjax.augment import augment, mix, normalise
from ferjax.augment.crops import random_crop, views
from ferjax.config.text_fields import parse_l2
from ferjax.errors import UserError
from ferjax.training import losses
from ferjax.training.losses import cross_entropy, example_weights, l2_penalty
from ferjax.training.optimizers import without_frozen
from ferjax.training.paths import map_with_path
from ferjax.training.remat import rematerialised
from ferjax.training.stages import Rules, auxiliary_loss, join, split, statistics_kept
from ferjax.training.state import TrainState

Batch = dict[str, Any]
Sums = dict[str, Array]
Images = UInt8[Array | np.ndarray, "B H W C"]
Logits = Float[Array, "B K"]


def gather(batch: Batch) -> Batch:
    """The rows that indices stand for; a batch of rows as it is.

    Args:
        batch: rows `[B, …]`; or `{"index": int32 [B], "held": {name: [N, …]}}`, see
        `ferjax.training.device_source`.
    """
    if "held" not in batch:
        return batch
    rows = {
        name: jnp.take(values, batch["index"], axis=0, mode="clip") for name, values in batch["held"].items()
    }
    # What comes after is compiled, and so rounded, as where the rows come from the host.
    return jax.lax.optimization_barrier(rows)


def make_several_steps(
    train_step: Callable[[TrainState, Batch], tuple[TrainState, Sums]], length: int | None
) -> Callable[[TrainState, Batch], tuple[TrainState, Sums]]:
    """Builds `several_steps(state, batches) -> (state, sums)`: one call that takes a step for each batch.

    However many steps a call has, each one is the same loop's body, and so the same in every bit. (The same
    step outside a loop is compiled, and so rounded, a little differently.)

    Args:
        train_step: as `make_train_step` builds it.
        length: S, all of the batches; None takes the first `batches["count"]` of them, a number that the
            program is told each time, for which a GPU has to wait.

    Returns:
        A pure function as `train_step`, of arrays with one more axis in front, over the steps: batches
        `[S, B, …]`, sums `[S]`, of which only those of steps that were taken mean anything. What is `held` is
        the same in all steps and has no such axis.
    """

    def several_steps(state: TrainState, batches: Batch) -> tuple[TrainState, Sums]:
        stacked = {name: values for name, values in batches.items() if name not in ("held", "count")}
        shared = {name: values for name, values in batches.items() if name == "held"}

        def taken(state: TrainState, step: Array | int) -> tuple[TrainState, Sums]:
            batch = {name: values[step] for name, values in stacked.items()}
            return train_step(state, {**batch, **shared})

        def body(step: Array, carry: tuple[TrainState, Sums]) -> tuple[TrainState, Sums]:
            state, sums = carry
            state, own = taken(state, step)
            return state, {name: values.at[step].set(own[name]) for name, values in sums.items()}

        most = len(next(iter(stacked.values())))
        shapes = jax.eval_shape(taken, state, 0)[1]
        sums = {name: jnp.zeros((most, *shape.shape), shape.dtype) for name, shape in shapes.items()}
        return jax.lax.fori_loop(0, batches["count"] if length is None else length, body, (state, sums))

    return several_steps


def _accumulate(
    gradients: Callable[..., tuple[Any, Any, Sums]],
    batch_stats: Any,
    batch: Batch,
    key: Key[Array, ""],
    parts: int,
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
    class_weights: Float[np.ndarray, " K"] | None,
    dtype: DTypeLike,
    rules: Rules = Rules(),  # noqa: B008  (it is frozen)
) -> Callable[[TrainState, Batch], tuple[TrainState, Sums]]:
    """Builds `train_step(state, batch) -> (state, sums)`, to be jitted with shardings.

    Args:
        model: the network.
        tx: the optimizer.
        schedule: the learning rate that `tx` uses as a function of `state.step`, to be reported.
        config: the groups `augment`, `data`, `loss`, `optimizer` and `train` are read.
        class_weights: `[K]` or None.
        dtype: compute dtype.
        rules: what stays, how fast the rest moves, and which losses count.

    Returns:
        A pure function of a state and a batch `{"image": uint8 [B, H, W, C], "label": int32 [B]}`, or indices
        of what is held on the devices, see `gather`. Its sums
        are `loss` (weighted), `weight`, `correct` and `count`, totals over the batch, and this step's
        `learning_rate`: float32 scalars; beside them `auxiliary_loss`, a total, where the network sows
        losses that count. Labels may also be distributions, float32 [B, K]; `correct` then counts the
        largest.

    Raises:
        UserError: when traced, if no loss counts.
    """
    weights = (
        None if class_weights is None else jnp.asarray(class_weights, jnp.promote_types(dtype, jnp.float32))
    )
    loss_of_examples, l2 = losses.create(config.loss), parse_l2(config.loss.l2)
    apply = rematerialised(model, config.train.remat)
    mutable = ["batch_stats", "losses"] if rules.auxiliary else ["batch_stats"]
    parts = config.train.accumulate_steps
    decay = config.optimizer.ema_decay

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, Sums]:
        key = jax.random.fold_in(state.rng, state.step)
        augment_key, dropout_key = jax.random.split(key)
        batch = gather(batch)
        images, labels = batch["image"], batch["label"]
        if config.data.source_size:
            images = random_crop(augment_key, images, config.data.image_size)
        images = augment(augment_key, images, config.augment)
        images, labels = mix(augment_key, images, labels, model.num_classes, config.augment)
        total = len(labels) if weights is None else example_weights(labels, weights).sum()

        trained, frozen = split(state.params, rules.frozen)

        def loss_of(
            trained: Any, stats: Any, rows: Batch, dropout_key: Key[Array, ""]
        ) -> tuple[Float[Array, ""], Any]:
            params = join(trained, frozen)
            with nn.intercept_methods(statistics_kept(rules)):
                logits, updates = apply(
                    {"params": params, "batch_stats": stats},
                    normalise(rows["image"], dtype),
                    train=True,
                    mutable=mutable,
                    rngs={"dropout": dropout_key},
                )
            loss, weight = loss_of_examples(logits, rows["label"], weights)
            actual = rows["label"] if rows["label"].ndim == 1 else rows["label"].argmax(-1)
            sums = {
                "loss": loss.sum(),
                "weight": weight.sum(),
                "correct": (logits.argmax(-1) == actual).sum(dtype=jnp.float32),
                "count": jnp.float32(loss.size),
            }
            own = auxiliary_loss(updates.get("losses", {}), rules, rows["label"]) if rules.auxiliary else None
            if own is None and not rules.cross_entropy:
                raise UserError("a stage has cross_entropy 0 and the network has no loss of its own")
            # Divided by the whole batch's weight, so that the parts' gradients add up to the batch's.
            value = l2_penalty(params, l2) / parts
            if rules.cross_entropy:
                value += rules.cross_entropy * loss.sum() / total
            if own is not None:
                sums["auxiliary_loss"] = own.sum()
                value += rules.auxiliary * own.sum() / len(labels)
            return value, (updates.get("batch_stats", {}), sums)

        def gradients(stats: Any, rows: Batch, dropout_key: Key[Array, ""]) -> tuple[Any, Any, Sums]:
            grads, (stats, sums) = jax.grad(loss_of, has_aux=True)(trained, stats, rows, dropout_key)
            return grads, stats, sums

        rows = {"image": images, "label": labels}
        if parts > 1:
            grads, stats, sums = _accumulate(gradients, state.batch_stats, rows, dropout_key, parts)
        else:
            grads, stats, sums = gradients(state.batch_stats, rows, dropout_key)

        grads = join(grads, jax.tree.map(jnp.zeros_like, frozen))
        updates, opt_state = tx.update(grads, state.opt_state, state.params)
        if rules.frozen:
            opt_state = without_frozen(tx, opt_state, state.opt_state, rules.frozen, state.params)
        updates = map_with_path(lambda path, u: u * (state.lr_scale * rules.rates.get(path, 1.0)), updates)
        params = optax.apply_updates(state.params, updates)
        params = join(split(params, rules.frozen)[0], frozen)
        ema = state.ema
        if ema is not None:
            new = {"params": params, "batch_stats": stats}
            # In this form the average of what does not change is the same in every bit.
            ema = jax.tree.map(lambda old, x: old + (1 - decay) * (x - old), ema, new)
        sums["learning_rate"] = jnp.asarray(schedule(state.step) * state.lr_scale, jnp.float32)
        state = state.replace(
            step=state.step + 1, params=params, batch_stats=stats, opt_state=opt_state, ema=ema
        )
        return state, sums

    return train_step


def make_eval_step(
    model: nn.Module,
    num_classes: int,
    dtype: DTypeLike,
    image_size: int | None = None,
    crops: str = "none",
    allowed: Bool[np.ndarray, " K"] | None = None,
) -> Callable[[Any, Batch], Sums]:
    """Builds `eval_step(variables, batch) -> sums`; rows whose `mask` is 0 change nothing.

    Args:
        model: the network.
        num_classes: K.
        dtype: compute dtype.
        image_size: see `make_predict_step`.
        crops: see `make_predict_step`.
        allowed: bool `[K]`, the classes that occur; the others get probability zero, and the rest is
            renormalised. All if None. Labels must be of allowed classes.

    The sums are `loss` (plain cross entropy), `count` and `confusion` (int32 `[K, K]`, rows actual, columns
    predicted); beside them stand the rows' `log_probabilities`, float32 `[B, K]`. A batch is
    `{"image": uint8 [B, H, W, C], "label": int32 [B], "mask": float32 [B]}`.
    """
    predict_step = make_predict_step(model, dtype, image_size, crops)

    def eval_step(variables: Any, batch: Batch) -> Sums:
        logits = predict_step(variables, batch["image"])
        if allowed is not None:
            # Finite: the loss multiplies it with 0.
            logits = jnp.where(jnp.asarray(allowed), logits, jnp.finfo(logits.dtype).min / 2)
        loss, _ = cross_entropy(logits, batch["label"])
        real = batch["mask"] > 0
        actual = jax.nn.one_hot(batch["label"], num_classes, dtype=jnp.int32) * real[:, None]
        predicted = jax.nn.one_hot(logits.argmax(-1), num_classes, dtype=jnp.int32)
        return {
            # Not loss · mask: a padded row's infinity would leak through as NaN.
            "loss": jnp.where(real, loss, 0).sum(),
            "count": real.sum(dtype=jnp.float32),
            "confusion": actual.T @ predicted,
            "log_probabilities": jax.nn.log_softmax(
                logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
            ),
        }

    return eval_step


def make_predict_step(
    model: nn.Module, dtype: DTypeLike, image_size: int | None = None, crops: str = "none"
) -> Callable[[Any, Images], Logits]:
    """Builds `predict_step(variables, images) -> logits`: uint8 `[B, H, W, C]` to `[B, K]`.

    Args:
        model: the network.
        dtype: compute dtype.
        image_size: what the network takes, cut out of larger images; the whole images if None.
        crops: "none" cuts the centre; "five" and "ten" average the probabilities of as many crops, see
            `ferjax.augment.crops.views`.
    """

    def logits_of(variables: Any, images: Images) -> Logits:
        logits: Any = model.apply(variables, normalise(images, dtype), train=False)
        return logits

    def predict_step(variables: Any, images: Images) -> Logits:
        if image_size is None:
            return logits_of(variables, images)
        logits = jnp.stack([logits_of(variables, view) for view in views(images, image_size, crops)])
        if len(logits) == 1:
            return logits[0]
        chances = jax.nn.log_softmax(logits.astype(jnp.promote_types(logits.dtype, jnp.float32)))
        return jax.nn.logsumexp(chances, axis=0) - jnp.log(len(logits))

    return predict_step
