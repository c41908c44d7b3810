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
) -> Callable[[Sequence[Any], Array], Float[Array, "B K"]]:
    """Builds `targets(variables, images) -> probabilities`, those of the teachers, softened, on average.

    Args:
        teachers: at least one; their variables are given anew to the function.
        config: the groups `distill` and `train` are read.

    Returns:
        A function of each teacher's variables and uint8 images `[B, H, W, C]`. Images are resized to the size
        that a teacher takes; one that was trained on grey images sees them grey. With parts of a batch,
        teachers see these one after another too.
    """
    temperature, parts = config.distill.temperature, config.train.accumulate_steps

    def targets(variables: Sequence[Any], images: Array) -> Float[Array, "B K"]:
        def of_rows(rows: Array) -> Array:
            chances = [_chances(*pair, rows, temperature) for pair in zip(teachers, variables, strict=True)]
            return jnp.stack(chances).mean(0)

        if parts == 1:
            return of_rows(images)
        # As in `ferjax.training.gradient_parts`: on a sharded batch every device keeps its own rows.
        split = images.reshape(len(images) // parts, parts, *images.shape[1:]).swapaxes(0, 1)
        found = jax.lax.map(of_rows, split).swapaxes(0, 1)
        return found.reshape(len(images), -1)

    return targets


def _chances(teacher: Teacher, variables: Any, images: Array, temperature: float) -> Float[Array, "B K"]:
    images = images.astype(jnp.float32)
    if teacher.grey:
        images = luma(images)
    size = (len(images), teacher.image_size, teacher.image_size, images.shape[-1])
    if images.shape != size:
        images = jax.image.resize(images, size, "linear")
    dtype = getattr(teacher.model, "dtype", None) or jnp.float32
    logits: Any = teacher.model.apply(variables, normalise(images, dtype), train=False)
    return jax.nn.softmax(logits.astype(jnp.float32) / temperature)[:, jnp.asarray(teacher.order)]


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
