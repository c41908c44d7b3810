"""Contrastive learning in the training loop: what a step differentiates, validation, and pictures.

A training step draws two views of each image by the group `augment`; validation draws of each example the
same two views whatever the seed, the batch size and the number of processes.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.typing import Dtype
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, Key, UInt8
from ml_collections import ConfigDict

from ferjax.augment import normalise, view
from ferjax.augment.crops import views
from ferjax.config.text_fields import parse_l2
from ferjax.data.sources import Source
from ferjax.models.simclr import Contrastive, contrastive_loss
from ferjax.runs.pretraining_pictures import ViewPairs
from ferjax.training.evaluate import evaluated_batches
from ferjax.training.losses import l2_penalty
from ferjax.training.remat import rematerialised
from ferjax.training.stages import Rules, statistics_kept

_EVALUATION_KEY = 0  # of the views that validation draws
# Images that are told apart from each other in validation, whatever eval.batch_size is.
_TOGETHER = 256


def make_objective(
    model: Contrastive, config: ConfigDict, dtype: Dtype, rules: Rules
) -> Callable[..., tuple[Float[Array, ""], tuple[Any, dict[str, Array]]]]:
    """Builds `objective(params, head, stats, rows, key, whole)`, as `ferjax.training.objective` does.

    Args:
        model: the contrastive network.
        config: the groups `loss`, `pretrain` and `train` are read.
        dtype: compute dtype.
        rules: the weight of the loss, and which statistics stay.

    Returns:
        A function whose value is the mean contrastive loss of the rows, which hold `image` and `other`, with
        L2; its sums are `loss`, `weight` and `count`. Both views pass the network together, so that batch
        normalisation sees them as one batch. Labels are not read.
    """
    l2, apply = parse_l2(config.loss.l2), rematerialised(model.apply, config.train.remat)

    def objective(
        params: Any, head: Any, stats: Any, rows: dict[str, Any], key: Key[Array, ""], whole: Any
    ) -> tuple[Float[Array, ""], tuple[Any, dict[str, Array]]]:
        del head
        both = jnp.concatenate([rows["image"], rows["other"]])
        with nn.intercept_methods(statistics_kept(rules)):
            projected, updates = apply(
                {"params": params, "batch_stats": stats},
                normalise(both, dtype),
                train=True,
                mutable=["batch_stats"],
                rngs={"dropout": key},
            )
        first, second = jnp.split(projected, 2)
        loss = contrastive_loss(first, second, config.pretrain.temperature)
        value = rules.cross_entropy * loss.sum() / whole.examples + l2_penalty(params, l2) / whole.parts
        count = jnp.float32(len(loss))
        return value, (
            updates.get("batch_stats", {}),
            {"loss": loss.sum(), "weight": count, "count": count},
        )

    return objective


def other_view(
    key: Key[Array, ""], images: UInt8[Array | np.ndarray, "B H W C"], config: ConfigDict
) -> UInt8[Array, "B S S C"]:
    """Draws the second view of a step's images, see `ferjax.augment.view`.

    Args:
        key: that the first view was drawn with.
        images: as the data has them.
        config: the groups `augment` and `data` are read.
    """
    return view(jax.random.fold_in(key, 1), images, config)


def make_eval_step(
    model: Contrastive, config: ConfigDict, dtype: Dtype
) -> Callable[[Any, dict[str, Any]], dict[str, Array]]:
    """Builds `eval_step(variables, batch)`, which gives both `views`, projected, float32 `[B, 2, D]`.

    A batch also has `index`, int32 `[B]`, the examples' places, which decide how they are seen.
    """

    def eval_step(variables: Any, batch: dict[str, Any]) -> dict[str, Array]:
        pairs = _drawn(batch["image"], batch["index"], config)
        return {"views": _projected(model, variables, pairs, dtype)}

    return eval_step


def evaluate_loss(
    eval_step: Callable[..., Any],
    variables: Any,
    source: Source,
    batch_size: int,
    mesh: Mesh,
    temperature: float,
) -> float:
    """Returns the mean contrastive loss of a split, the same in every process.

    Examples that stand one after the other are told apart from each other, some 256 at a time.

    Args:
        eval_step: jitted, see `make_eval_step`.
        variables: of the contrastive network.
        source: the split.
        batch_size: of all processes together.
        mesh: the devices.
        temperature: `pretrain.temperature`.
    """
    answers = evaluated_batches(eval_step, variables, source, batch_size, mesh, indexed=True)
    pairs = np.concatenate([answer["views"] for answer in answers])[: len(source)]
    loss = jax.jit(partial(contrastive_loss, temperature=temperature))
    groups = np.array_split(pairs, -(-len(pairs) // _TOGETHER))
    return float(np.concatenate([loss(group[:, 0], group[:, 1]) for group in groups]).mean(dtype=np.float64))


def compare_views(
    model: Contrastive, config: ConfigDict, variables: Any, source: Source, count: int
) -> ViewPairs:
    """Shows two views of images spread evenly over a split, and how near the network puts them.

    Args:
        model: the contrastive network.
        config: the groups `augment`, `data` and `train` are read.
        variables: its weights.
        source: the split.
        count: images at most.
    """
    among = np.unique(np.linspace(0, len(source) - 1, min(_TOGETHER, len(source))).round().astype(np.int64))
    images = source.take(among)["image"]

    def both(variables: Any, images: Array, indices: Array) -> tuple[Array, Array]:
        pairs = _drawn(images, indices, config)
        return pairs, _projected(model, variables, pairs, jnp.dtype(config.train.precision))

    drawn, projected = map(np.asarray, jax.jit(both)(variables, images, among.astype(np.int32)))
    cosines = projected[:, 0] @ projected[:, 1].T  # of each first view and the second ones of all
    own = np.diag(cosines)
    nearer = (cosines > own[:, None]).sum(1)
    shown = np.unique(np.linspace(0, len(among) - 1, min(count, len(among))).round().astype(np.int64))
    return ViewPairs(
        views(images, config.data.image_size, "none")[0][shown],
        drawn[shown, 0],
        drawn[shown, 1],
        own[shown].astype(np.float32),
        nearer[shown].astype(np.int64),
        among[shown],
    )


def _drawn(
    images: UInt8[Array, "B H W C"], indices: Int[Array, " B"], config: ConfigDict
) -> UInt8[Array, "B 2 S S C"]:
    """Draws two views of each example, which depend on its place alone."""

    def of_one(image: Array, index: Array) -> Array:
        key = jax.random.fold_in(jax.random.key(_EVALUATION_KEY), index)
        return jnp.concatenate([view(key, image[None], config), other_view(key, image[None], config)])

    return jax.vmap(of_one)(jnp.asarray(images), indices)


def _projected(
    model: Contrastive, variables: Any, pairs: UInt8[Array, "B 2 S S C"], dtype: Dtype
) -> Float[Array, "B 2 D"]:
    images = pairs.reshape(-1, *pairs.shape[2:])
    projected: Any = model.apply(variables, normalise(images, dtype), train=False)
    return projected.reshape(len(pairs), 2, -1)
