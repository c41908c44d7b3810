"""The pure steps: one update, one evaluated batch, one predicted batch."""

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Key
from ml_collections import ConfigDict

from ferjax.augment import mix, view
from ferjax.models.simclr import Contrastive
from ferjax.training import affect, contrastive, sam, scn, without_labels
from ferjax.training import head as heads
from ferjax.training.distillation import Teacher, make_soft_targets
from ferjax.training.gradient_parts import in_parts
from ferjax.training.group_dro import GroupRule
from ferjax.training.head import Head
from ferjax.training.losses import cross_entropy, example_weights
from ferjax.training.objective import Whole, make_objective
from ferjax.training.optimizers import without_frozen
from ferjax.training.paths import map_with_path
from ferjax.training.predict_step import make_answer_step
from ferjax.training.stages import Rules, join, split
from ferjax.training.state import TrainState

Batch = dict[str, Any]
# What a batch holds beside its rows; the same in all steps.
SHARED = ("held", "teachers", "groups", "rate_factor")
Sums = dict[str, Array]


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


def make_train_step(
    model: nn.Module,
    tx: optax.GradientTransformation,
    schedule: optax.Schedule,
    config: ConfigDict,
    class_weights: Float[np.ndarray, " K"] | None,
    dtype: DTypeLike,
    rules: Rules = Rules(),  # noqa: B008  (it is frozen)
    teachers: Sequence[Teacher] = (),
    head: Head | None = None,
    affect_head: affect.Head | None = None,
    groups: GroupRule | None = None,
    whole_weights: Callable[[Any], Any] = lambda weights: weights,
) -> Callable[[TrainState, Batch], tuple[TrainState, Sums]]:
    """Builds `train_step(state, batch) -> (state, sums)`, to be jitted with shardings.

    Args:
        model: the network; that of the method in pre-training.
        tx: the optimizer.
        schedule: the learning rate that `tx` uses as a function of `state.step`, to be reported.
        config: the groups `augment`, `data`, `loss`, `optimizer` and `train` are read.
        class_weights: `[K]` or None.
        dtype: compute dtype.
        rules: what stays, how fast the rest moves, and which losses count.
        teachers: networks to learn from.
        head: what a method with a head needs; None without it.
        affect_head: of valence and arousal; None without one.
        groups: what group DRO needs; None without it.
        whole_weights: makes whole weights of those that devices divide among themselves.

    Returns:
        A pure function of a state and a batch `{"image": uint8 [B, H, W, C], "label": int32 [B]}`, or indices
        of what is held on the devices, see `gather`; with teachers, `teachers` are their variables, with
        the self-cure method there is `index`, int32 [B], with `groups` also `groups`, int32 [N], those of all
        examples, with `affect_head` there is `affect`, float32 [B, 2], NaN where unknown. `rate_factor`, a
        float32 scalar, multiplies every update if it is there. Labels may also be distributions, float32
        [B, K]. Its sums are `loss` (weighted), `weight`, `correct` (by the largest
        class of a distribution) and `count`, totals over the batch, and this step's `learning_rate`: float32
        scalars; beside them totals of further losses: `auxiliary_loss` where the network sows some that
        count, `eac_loss`, `distillation_loss`, `attention_loss`, `rank_loss`, `robust_loss`, `affect_loss`;
        and `relabelled`, how many examples have had their label
        replaced. In pre-training labels are not read, and there is no `correct`.

    Raises:
        UserError: when traced, if no loss counts.
    """
    weights = (
        None if class_weights is None else jnp.asarray(class_weights, jnp.promote_types(dtype, jnp.float32))
    )
    pretraining = isinstance(model, without_labels.WithoutClasses)
    objective = (
        without_labels.make_objective(model, config, dtype, rules)
        if pretraining
        else make_objective(model, config, weights, dtype, rules, head, affect_head, groups)
    )
    parts, rho = config.train.accumulate_steps, config.optimizer.sam_rho
    decay = config.optimizer.ema_decay
    soft_targets = make_soft_targets(teachers, config)
    cure = head if isinstance(head, scn.Cure) else None

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, Sums]:
        key = jax.random.fold_in(state.rng, state.step)
        augment_key, dropout_key = jax.random.split(key)
        given, batch = batch, gather(batch)
        images, labels = batch["image"], batch["label"]
        raw, images = images, view(augment_key, images, config)
        if not pretraining:
            images, labels = mix(augment_key, images, labels, model.num_classes, config.augment)
        if cure:
            labels = scn.current(state.head["labels"], given["index"], jnp.asarray(labels))
        total = len(labels) if weights is None else example_weights(labels, weights).sum()
        whole = Whole(total, len(labels), parts, group_weights=state.group_weights)
        rows = {"image": images, "label": labels}
        if isinstance(model, Contrastive):
            rows["other"] = contrastive.other_view(augment_key, raw, config)
        if groups:
            rows["group"] = given["groups"][given["index"]]
        if affect_head:
            rows["affect"] = batch["affect"]
            whole = whole._replace(known=(~jnp.isnan(rows["affect"])).sum())
        if teachers:
            rows |= soft_targets(given["teachers"], jnp.asarray(images))

        trained, frozen = split(state.params, rules.frozen)

        def loss_of(
            at: tuple[Any, Any], stats: Any, rows: Batch, key: Key[Array, ""]
        ) -> tuple[Float[Array, ""], Any]:
            trained, of_head = at
            return objective(join(whole_weights(trained), frozen), of_head, stats, rows, key, whole)

        def gradients_at(at: tuple[Any, Any]) -> tuple[Any, Any, Sums]:
            """Returns gradients, new statistics and sums of the whole batch."""

            def of_rows(stats: Any, rows: Batch, key: Key[Array, ""]) -> tuple[Any, Any, Sums]:
                grads, (stats, sums) = jax.grad(loss_of, has_aux=True)(at, stats, rows, key)
                return grads, stats, sums

            if parts > 1:
                return in_parts(of_rows, state.batch_stats, rows, dropout_key, parts)
            return of_rows(state.batch_stats, rows, dropout_key)

        here = trained, state.head["params"] if head else {}
        grads, stats, sums = gradients_at(here)
        if rho:
            # The same images and dropout: the same function of the weights, a little further up.
            grads, second_stats, _ = gradients_at(sam.ascended(here, grads, rho))
            stats = second_stats if config.optimizer.sam_statistics == "second" else stats

        grads, head_grads = grads
        grads = join(grads, jax.tree.map(jnp.zeros_like, frozen))
        updates, opt_state = tx.update(grads, state.opt_state, state.params)
        if rules.frozen:
            opt_state = without_frozen(tx, opt_state, state.opt_state, rules.frozen, state.params)
        scale = state.lr_scale * given["rate_factor"] if "rate_factor" in given else state.lr_scale
        updates = map_with_path(lambda path, u: u * (scale * rules.rates.get(path, 1.0)), updates)
        params = optax.apply_updates(state.params, updates)
        params = join(split(params, rules.frozen)[0], frozen)
        ema = state.ema
        if ema is not None:
            new = {"params": params, "batch_stats": stats}
            # In this form the average of what does not change is the same in every bit.
            ema = jax.tree.map(lambda old, x: old + (1 - decay) * (x - old), ema, new)
        of_head = state.head
        if head and rules.cross_entropy:
            of_head = heads.moved(of_head, tx, head_grads, scale)
        if cure and rules.cross_entropy:
            now = scn.relabelled(cure, of_head["labels"], state.step, given["index"], sums.pop("proposed"))
            of_head = {**of_head, "labels": now}
            sums["relabelled"] = (now >= 0).sum(dtype=jnp.float32)
        group_weights = sums.pop("group_weights", state.group_weights)
        sums["learning_rate"] = jnp.asarray(schedule(state.step) * scale, jnp.float32)
        state = state.replace(
            step=state.step + 1,
            params=params,
            batch_stats=stats,
            opt_state=opt_state,
            ema=ema,
            head=of_head,
            group_weights=group_weights,
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
    head: affect.Head | None = None,
) -> Callable[[Any, Batch], Sums]:
    """Builds `eval_step(variables, batch) -> sums`; rows whose `mask` is 0 change nothing.

    Args:
        model: the network.
        num_classes: K.
        dtype: compute dtype.
        image_size: see `make_answer_step`.
        crops: see `make_answer_step`.
        allowed: bool `[K]`, the classes that occur; the others get probability zero, and the rest is
            renormalised. All if None. Labels must be of allowed classes.
        head: of valence and arousal; None without one.

    The sums are `loss` (plain cross entropy), `count` and `confusion` (int32 `[K, K]`, rows actual, columns
    predicted); beside them stand the rows' `log_probabilities`, float32 `[B, K]`, and with a head
    `affect`, float32 `[B, 2]`. A batch is
    `{"image": uint8 [B, H, W, C], "label": int32 [B], "mask": float32 [B]}`.
    """
    answer_step = make_answer_step(model, dtype, image_size, crops, head)

    def eval_step(variables: Any, batch: Batch) -> Sums:
        logits, values = answer_step(variables, batch["image"])
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
            **({} if values is None else {"affect": values}),
        }

    return eval_step
