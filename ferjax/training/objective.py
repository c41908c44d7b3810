"""What a training step differentiates: the loss of some rows of a batch."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.typing import Dtype
from jaxtyping import Array, Float, Key
from ml_collections import ConfigDict

from ferjax.augment import normalise
from ferjax.config.text_fields import parse_l2
from ferjax.errors import UserError
from ferjax.models.class_maps import class_weights as class_weights_of
from ferjax.models.observed import Seen, observed
from ferjax.training import eac, group_dro, losses, scn
from ferjax.training.distillation import attention_loss, distillation_loss
from ferjax.training.group_dro import GroupRule
from ferjax.training.losses import l2_penalty
from ferjax.training.remat import rematerialised
from ferjax.training.stages import Rules, auxiliary_loss, statistics_kept

Rows = dict[str, Any]
Sums = dict[str, Array]


class Whole(NamedTuple):
    """The batch that rows belong to; dividing by its totals makes the gradients of its parts add up.

    Attributes:
        weight: of all examples together, by their classes.
        examples: B.
        parts: how many smaller batches it is computed in.
        group_weights: float32 `[G]`, of group DRO before this batch; None without it.
    """

    weight: Array | int
    examples: int
    parts: int
    group_weights: Array | None = None


Objective = Callable[[Any, Any, Any, Rows, Key[Array, ""], Whole], tuple[Float[Array, ""], tuple[Any, Sums]]]


def make_objective(
    model: nn.Module,
    config: ConfigDict,
    class_weights: Float[Array, " K"] | None,
    dtype: Dtype,
    rules: Rules,
    classifier: str = "",
    groups: GroupRule | None = None,
) -> Objective:
    """Builds `objective(params, head, stats, rows, key, whole) -> (value, (stats, sums))`.

    Args:
        model: the network.
        config: the groups `data`, `distill`, `loss` and `train` are read.
        class_weights: `[K]` or None.
        dtype: compute dtype.
        rules: which statistics stay, and which losses count.
        classifier: path of the layer whose input the head of the self-cure method reads; empty without it.
        groups: what group DRO needs; None without it.

    Returns:
        A function of parameters, those of the self-cure head, batch statistics, augmented rows
        `{"image": [b, H, W, C], "label": [b] or [b, K]}` (with teachers also what they say),
        the key of dropout, and the whole batch. It gives the part of the batch's loss that these rows make,
        the new statistics, and the sums that `ferjax.training.steps.make_train_step` describes; for the
        self-cure method also `proposed`, int32 `[b]`, see `ferjax.training.scn.proposals`; for group DRO the
        groups' new `group_weights`.

    Raises:
        UserError: when called, if no loss counts.
    """
    taught, attention = (
        (config.distill.weight, config.distill.attention) if config.distill["from"] else (0, 0)
    )
    loss_of_examples, l2 = losses.create(config.loss), parse_l2(config.loss.l2)
    maps = config.loss.eac > 0 or attention > 0
    apply = rematerialised(observed(model.apply, maps, classifier), config.train.remat)
    shape = (config.data.image_size, config.data.image_size, 3)
    mutable = ["batch_stats", "losses"] if rules.auxiliary else ["batch_stats"]

    def forward(
        params: Any, stats: Any, images: Array, key: Key[Array, ""], mutable: list[str]
    ) -> tuple[Array, Any, Seen]:
        """Returns logits, new statistics and losses, and what was seen."""
        with nn.intercept_methods(statistics_kept(rules)):
            (logits, updates), seen = apply(
                {"params": params, "batch_stats": stats},
                normalise(images, dtype),
                train=True,
                mutable=mutable,
                rngs={"dropout": key},
            )
        return logits, updates, seen

    def apart_when_mirrored(
        params: Any, stats: Any, images: Array, key: Key[Array, ""], maps: Any
    ) -> tuple[Array, Any]:
        """Returns how far the class maps of each image are from its mirror image's, and the statistics."""
        mirrored, key = images[:, :, ::-1], jax.random.fold_in(key, 1)
        _, updates, seen = forward(params, stats, mirrored, key, ["batch_stats"])
        stats = updates.get("batch_stats", {})
        variables = jax.lax.stop_gradient({"params": params, "batch_stats": stats})
        weights = class_weights_of(model, variables, shape, maps.dtype)
        return eac.inconsistency(maps, seen.maps, weights), stats

    def objective(
        params: Any, head: Any, stats: Any, rows: Rows, key: Key[Array, ""], whole: Whole
    ) -> tuple[Float[Array, ""], tuple[Any, Sums]]:
        logits, updates, seen = forward(params, stats, rows["image"], key, mutable)
        stats = updates.get("batch_stats", {})
        importance = scn.importance(head, seen.features) if classifier else None
        if importance is not None:
            logits = importance * logits
        loss, weight = loss_of_examples(logits, rows["label"], class_weights)
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
        value: Any = l2_penalty(params, l2) / whole.parts
        if rules.cross_entropy and groups:
            assert whole.group_weights is not None  # as `groups` says
            means, present = group_dro.group_losses(loss, weight, rows["group"], len(groups.names))
            new = group_dro.reweighted(whole.group_weights, means, present, groups.rate, groups.offsets)
            sums["group_weights"] = new
            robust = (new * means).sum()
            sums["robust_loss"] = robust * whole.examples
            value += rules.cross_entropy * (1 - taught) * robust
        elif rules.cross_entropy:
            value += rules.cross_entropy * (1 - taught) * loss.sum() / whole.weight
        if rules.cross_entropy and taught:
            behind = distillation_loss(logits, rows["soft"], config.distill.temperature)
            sums["distillation_loss"] = behind.sum()
            value += rules.cross_entropy * taught * behind.sum() / whole.examples
        if rules.cross_entropy and attention:
            assert seen.maps is not None  # as `ferjax.models.class_maps.check_averages` has found
            apart = attention_loss(seen.maps, rows["attention"])
            sums["attention_loss"] = apart.sum()
            value += rules.cross_entropy * attention * apart.sum() / whole.examples
        if rules.cross_entropy and config.loss.eac:
            apart, stats = apart_when_mirrored(params, stats, rows["image"], key, seen.maps)
            sums["eac_loss"] = apart.sum()
            value += rules.cross_entropy * config.loss.eac * apart.sum() / whole.examples
        if rules.cross_entropy and importance is not None:
            apart = scn.rank_loss(importance, config.loss.scn_ratio, config.loss.scn_margin)
            sums["rank_loss"] = apart * whole.examples
            sums["proposed"] = scn.proposals(logits, rows["label"], config.loss.scn_relabel_margin)
            value += rules.cross_entropy * config.loss.scn * apart
        if own is not None:
            sums["auxiliary_loss"] = own.sum()
            value += rules.auxiliary * own.sum() / whole.examples
        return value, (stats, sums)

    return objective
