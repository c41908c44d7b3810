"""Masked auto-encoding in the training loop: what a step differentiates, validation, and pictures.

A training step hides other patches of each image, drawn from the step's key; validation hides of each example
the same patches whatever the seed, the batch size and the number of processes.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.typing import Dtype
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, Key
from ml_collections import ConfigDict

from ferjax.augment import normalise
from ferjax.augment.crops import views
from ferjax.augment.normalisation import bytes_of
from ferjax.config.text_fields import parse_l2
from ferjax.data.sources import Source
from ferjax.models.mae import (
    MaskedAutoencoder,
    hidden,
    patch_statistics,
    patches,
    random_order,
    reconstruction_loss,
    targets,
    unpatched,
    visible,
)
from ferjax.runs.pretraining_pictures import Reconstructions
from ferjax.training.evaluate import evaluated_batches
from ferjax.training.losses import l2_penalty
from ferjax.training.remat import rematerialised
from ferjax.training.stages import Rules

_EVALUATION_KEY = 0  # of the patches that validation hides


def make_objective(
    model: MaskedAutoencoder, config: ConfigDict, dtype: Dtype, rules: Rules
) -> Callable[..., tuple[Float[Array, ""], tuple[Any, dict[str, Array]]]]:
    """Builds `objective(params, head, stats, rows, key, whole)`, as `ferjax.training.objective` does.

    Args:
        model: the auto-encoder.
        config: the groups `loss`, `pretrain` and `train` are read.
        dtype: compute dtype.
        rules: the weight of the loss.

    Returns:
        A function whose value is the mean squared error over the hidden patches of the rows, with L2; its
        sums are `loss`, `weight` and `count`. Labels are not read.
    """
    l2, apply = parse_l2(config.loss.l2), rematerialised(model.apply, config.train.remat)
    normalised = config.pretrain.normalise_targets

    def objective(
        params: Any, head: Any, stats: Any, rows: dict[str, Any], key: Key[Array, ""], whole: Any
    ) -> tuple[Float[Array, ""], tuple[Any, dict[str, Array]]]:
        del head
        mask_key, dropout_key = jax.random.split(key)
        images = normalise(rows["image"], dtype)
        order = random_order(mask_key, len(images), _patch_count(model, images))
        guessed = apply({"params": params}, images, train=True, order=order, rngs={"dropout": dropout_key})
        loss = _loss(model, rows["image"], guessed, order, normalised)
        value = rules.cross_entropy * loss.sum() / whole.examples + l2_penalty(params, l2) / whole.parts
        count = jnp.float32(len(loss))
        return value, (stats, {"loss": loss.sum(), "weight": count, "count": count})

    return objective


def make_eval_step(
    model: MaskedAutoencoder, config: ConfigDict, dtype: Dtype
) -> Callable[[Any, dict[str, Any]], dict[str, Array]]:
    """Builds `eval_step(variables, batch) -> sums` of `loss` and `count`; rows whose mask is 0 do not count.

    A batch also has `index`, int32 `[B]`, the examples' places, which decide what is hidden of them. Of
    images larger than `data.image_size` the centre is seen.
    """
    answer = _make_answer(model, dtype)

    def eval_step(variables: Any, batch: dict[str, Any]) -> dict[str, Array]:
        images = views(batch["image"], config.data.image_size, "none")[0]
        order, guessed = answer(variables, images, batch["index"])
        loss = _loss(model, images, guessed, order, config.pretrain.normalise_targets)
        real = batch["mask"] > 0
        return {"loss": jnp.where(real, loss, 0).sum(), "count": real.sum(dtype=jnp.float32)}

    return eval_step


def evaluate_loss(
    eval_step: Callable[..., Any], variables: Any, source: Source, batch_size: int, mesh: Mesh
) -> float:
    """Returns the mean reconstruction loss of a split, the same in every process.

    Args:
        eval_step: jitted, see `make_eval_step`.
        variables: of the auto-encoder.
        source: the split.
        batch_size: of all processes together.
        mesh: the devices.
    """
    sums = evaluated_batches(eval_step, variables, source, batch_size, mesh, indexed=True)
    return sum(float(part["loss"]) for part in sums) / sum(float(part["count"]) for part in sums)


def reconstruct(
    model: MaskedAutoencoder, config: ConfigDict, variables: Any, source: Source, count: int
) -> Reconstructions:
    """Fills in images spread evenly over a split, with the patches hidden that validation hides.

    Args:
        model: the auto-encoder.
        config: the groups `pretrain` and `train` are read.
        variables: its weights.
        source: the split.
        count: images at most.
    """
    indices = np.unique(np.linspace(0, len(source) - 1, min(count, len(source))).round().astype(np.int64))
    images = views(source.take(indices)["image"], config.data.image_size, "none")[0]
    fill = jax.jit(_make_filled(model, config))
    shown, masked, filled = map(np.asarray, fill(variables, images, indices.astype(np.int32)))
    return Reconstructions(shown, masked, filled, indices)


def _make_filled(model: MaskedAutoencoder, config: ConfigDict) -> Callable[..., tuple[Array, Array, Array]]:
    answer = _make_answer(model, jnp.dtype(config.train.precision))

    def filled(variables: Any, images: Array, indices: Int[Array, " B"]) -> tuple[Array, Array, Array]:
        order, guessed = answer(variables, images, indices)
        pixels = patches(normalise(images), model.patch)
        guessed = guessed.astype(jnp.float32)
        if config.pretrain.normalise_targets:
            mean, deviation = patch_statistics(pixels)
            guessed = guessed * deviation + mean
        gone = hidden(order, visible(order.shape[1], model.mask_ratio))[:, :, None] > 0
        whole = (pixels, jnp.where(gone, 0.0, pixels), jnp.where(gone, guessed, pixels))
        shown, masked, filled = (bytes_of(unpatched(each, model.patch, images.shape[1])) for each in whole)
        return shown, masked, filled

    return filled


def _make_answer(model: MaskedAutoencoder, dtype: Dtype) -> Callable[..., tuple[Array, Array]]:
    """Builds a function of weights, bytes and places that gives the order of the patches and the guesses."""

    def answer(variables: Any, images: Array, indices: Int[Array, " B"]) -> tuple[Array, Array]:
        values = normalise(images, dtype)
        keys = jax.vmap(lambda index: jax.random.fold_in(jax.random.key(_EVALUATION_KEY), index))(indices)
        count = _patch_count(model, values)
        order = jax.vmap(lambda key: random_order(key, 1, count)[0])(keys)
        guessed: Any = model.apply({"params": variables["params"]}, values, train=False, order=order)
        return order, guessed

    return answer


def _patch_count(model: MaskedAutoencoder, images: Array) -> int:
    return (images.shape[1] // model.patch) * (images.shape[2] // model.patch)


def _loss(
    model: MaskedAutoencoder, images: Array, guessed: Array, order: Array, normalised: bool
) -> Float[Array, " B"]:
    """Computes the loss of each image, of bytes or augmented, in float32, or float64 for such guesses."""
    wide = jnp.promote_types(guessed.dtype, jnp.float32)
    wanted = targets(patches(normalise(images, wide), model.patch), normalised)
    mask = hidden(order, visible(order.shape[1], model.mask_ratio))
    return reconstruction_loss(guessed.astype(wide), wanted, mask)
