"""Knowledge distillation: a network learns what trained ones say of the same augmented images."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
from ml_collections import ConfigDict

from ferjax.augment import normalise
from ferjax.augment.tone import luma
from ferjax.errors import UserError, listed
from ferjax.models.observed import observed


class Teacher(NamedTuple):
    """A trained network that is learnt from.

    Attributes:
        path: the run or bundle.
        model: the network, in its own precision.
        variables: `{"params", "batch_stats"}`, on every device of the mesh.
        order: its number of each of the run's classes.
        image_size: pixels, both sides, of the images that it takes.
        grey: whether it was trained on images without colour.
        checksum: of its variables.
        trained_on: the data that made them, see `ferjax.training.contamination`; empty where unknown.
    """

    path: str
    model: nn.Module
    variables: Any
    order: tuple[int, ...]
    image_size: int
    grey: bool
    checksum: int
    trained_on: Sequence[Mapping[str, Any]] = ()


def make_soft_targets(
    teachers: Sequence[Teacher], config: ConfigDict
) -> Callable[[Sequence[Any], Array], dict[str, Array]]:
    """Builds `targets(variables, images) -> what the teachers say`, on average.

    Args:
        teachers: at least one; their variables are given anew to the function.
        config: the groups `distill` and `train` are read.

    Returns:
        A function of each teacher's variables and uint8 images `[B, H, W, C]`, which gives `soft`,
        probabilities at the temperature `[B, K]`, and with `distill.attention` also `attention`, see
        `attention_map`, as large as the first teacher's. Images are resized to the size that a teacher takes;
        one that was trained on grey images sees them grey. With parts of a batch, teachers see these one
        after another too.
    """
    parts = config.train.accumulate_steps

    def targets(variables: Sequence[Any], images: Array) -> dict[str, Array]:
        def of_rows(rows: Array) -> dict[str, Array]:
            said = [_said(*pair, rows, config.distill) for pair in zip(teachers, variables, strict=True)]
            chances = jnp.stack([soft for soft, _ in said]).mean(0)
            if not config.distill.attention:
                return {"soft": chances}
            size = said[0][1].shape
            maps = [jax.image.resize(each, size, "linear") for _, each in said]
            return {"soft": chances, "attention": jnp.stack(maps).mean(0)}

        if parts == 1:
            return of_rows(images)
        # As in `ferjax.training.gradient_parts`: on a sharded batch every device keeps its own rows.
        split = images.reshape(len(images) // parts, parts, *images.shape[1:]).swapaxes(0, 1)
        found = jax.lax.map(of_rows, split)
        return jax.tree.map(lambda x: x.swapaxes(0, 1).reshape(len(images), *x.shape[2:]), found)

    return targets


def _said(
    teacher: Teacher, variables: Any, images: Array, config: ConfigDict
) -> tuple[Float[Array, "B K"], Any]:
    """Returns a teacher's probabilities, and its attention map where that is asked for."""
    images = images.astype(jnp.float32)
    if teacher.grey:
        images = luma(images)
    size = (len(images), teacher.image_size, teacher.image_size, images.shape[-1])
    if images.shape != size:
        images = jax.image.resize(images, size, "linear")
    dtype = getattr(teacher.model, "dtype", None) or jnp.float32
    apply = observed(teacher.model.apply, maps=config.attention > 0)
    logits, seen = apply(variables, normalise(images, dtype), train=False)
    chances = jax.nn.softmax(logits.astype(jnp.float32) / config.temperature)
    return chances[:, jnp.asarray(teacher.order)], None if seen.maps is None else attention_map(seen.maps)


def attention_map(maps: Float[Array, "B h w C"]) -> Float[Array, "B h w"]:
    """Returns the mean squared value over the channels at each place, float32."""
    return jnp.square(maps.astype(jnp.float32)).mean(-1)


def attention_loss(maps: Float[Array, "B h w C"], targets: Float[Array, "B h2 w2"]) -> Float[Array, " B"]:
    """‖Q / ‖Q‖ − T / ‖T‖‖² of the attention maps of network and teachers, each as a vector.

    Args:
        maps: what the network averages last.
        targets: the teachers' attention maps, resized to the network's here; no gradient reaches them.

    References:
        Zagoruyko & Komodakis, Paying more attention to attention, ICLR 2017, equation 2
        with p = 2, of one layer.
    """
    own = attention_map(maps)
    targets = jax.image.resize(targets, own.shape, "linear")
    own, targets = (_unit(each.reshape(len(each), -1)) for each in (own, targets))
    return jnp.square(own - targets).sum(-1)


def _unit(rows: Float[Array, "B N"]) -> Float[Array, "B N"]:
    """Divides each row by its length."""
    return rows * jax.lax.rsqrt(jnp.square(rows).sum(-1, keepdims=True) + 1e-12)


def distillation_loss(
    logits: Float[Array, "B K"], targets: Float[Array, "B K"], temperature: float
) -> Float[Array, " B"]:
    """T² · KL(targets ‖ softmax(logits / T)) of each example: 0 where the student says what they say.

    Args:
        logits: the student's.
        targets: probabilities at the same temperature; no gradient reaches them.
        temperature: T > 0. The factor T² keeps the gradients' size as T changes.

    References:
        Hinton et al., Distilling the knowledge in a neural network, 2015, section 2.
    """
    chances = jax.nn.log_softmax(logits.astype(jnp.promote_types(logits.dtype, jnp.float32)) / temperature)
    entropy = jax.scipy.special.xlogy(targets, targets).sum(-1)
    return temperature**2 * (entropy - (targets * chances).sum(-1))


def facts(teachers: Sequence[Teacher]) -> list[dict[str, Any]]:
    """Returns what a checkpoint keeps of the teachers, ready for JSON."""
    return [{"from": teacher.path, "checksum": teacher.checksum} for teacher in teachers]


def check_same(meta: Mapping[str, Any], teachers: Sequence[Teacher]) -> None:
    """Compares the teachers with those that a checkpoint recorded.

    Raises:
        UserError: their weights are others.
    """
    before = [each["checksum"] for each in meta.get("teachers", [])]
    changed = [
        teacher.path
        for teacher, checksum in zip(teachers, before, strict=False)
        if teacher.checksum != checksum
    ]
    if changed:
        raise UserError(
            f"the weights of {listed(changed, most=2)} are not those that this run has learnt from: put "
            "them back, or take another --workdir"
        )
