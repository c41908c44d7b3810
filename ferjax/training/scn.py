"""Self-cure network: a head weighs each example's importance, and doubtful labels are replaced.

As in the authors' code, labels of all examples of a batch may be; the paper's text speaks of those of the
less important group alone. The head is used in training only: importance is above zero and multiplies all
logits of an example, so that the predicted class is that of the plain network.

References:
    Wang et al., Suppressing uncertainties for large-scale facial expression recognition, CVPR 2020, equations
    2 to 5.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key
from ml_collections import ConfigDict

from ferjax.layers.init import uniform_fan_in
from ferjax.training.classifier_input import classifier_input

NEEDED_BY = "loss.scn"


class Cure(NamedTuple):
    """What the method needs to know of a run.

    Attributes:
        classifier: path of the linear layer whose input the head reads.
        features: F, numbers that the layer reads.
        examples: N of the training split.
        relabels_from: the first step whose labels may be replaced; None never.
    """

    classifier: str
    features: int
    examples: int
    relabels_from: int | None = None


def cure_of(
    config: ConfigDict, model: nn.Module, image_shape: tuple[int, int, int], examples: int, per_epoch: float
) -> Cure | None:
    """Returns what the method needs, or None where it is off.

    Args:
        config: the group `loss` is read.
        model: the network.
        image_shape: `(H, W, C)`.
        examples: of the training split.
        per_epoch: steps of an epoch, possibly a fraction.

    Raises:
        UserError: the network does not end in a linear layer.
    """
    if not config.loss.scn:
        return None
    classifier, features = classifier_input(model, image_shape, NEEDED_BY)
    # Counted from 1, as in the authors' code.
    begins = round((config.loss.scn_relabel_epoch - 1) * per_epoch) if config.loss.scn_relabel_epoch else None
    return Cure(classifier, features, examples, begins)


def initial(cure: Cure, key: Key[Array, ""]) -> dict[str, Array]:
    """Draws the head's weights from PyTorch's distribution."""
    first, second = jax.random.split(key)
    init = uniform_fan_in(cure.features)
    return {
        "kernel": init(first, (cure.features, 1), jnp.float32),
        "bias": init(second, (1,), jnp.float32),
    }


def importance(head: Any, features: Float[Array, "B F"]) -> Float[Array, "B 1"]:
    """Computes α = σ(w · f + b), in (0, 1), float32; equation 2."""
    return jax.nn.sigmoid(features.astype(jnp.float32) @ head["kernel"] + head["bias"])


def rank_loss(weights: Float[Array, "B 1"], ratio: float, margin: float) -> Float[Array, ""]:
    """max(0, δ − (mean importance of the upper group − of the rest)); equation 4.

    Args:
        weights: importance of each example of the whole batch, at least two.
        ratio: β, the part of the batch that is the upper group, rounded down as in the authors' code.
        margin: δ.
    """
    ordered = jnp.sort(weights[:, 0])[::-1]
    upper = min(max(int(len(ordered) * ratio), 1), len(ordered) - 1)
    return jnp.maximum(0.0, margin - (ordered[:upper].mean() - ordered[upper:].mean()))


def proposals(logits: Float[Array, "B K"], labels: Int[Array, " B"], margin: float) -> Int[Array, " B"]:
    """Returns the most likely class where it is more likely than the label by a margin, else −1; equation 5.

    Args:
        logits: weighted by importance, in training mode, as the loss sees them.
        labels: those that were trained on.
        margin: of the probabilities.
    """
    chances = jax.nn.softmax(logits.astype(jnp.float32))
    own = jnp.take_along_axis(chances, labels[:, None], axis=1)[:, 0]
    return jnp.where(chances.max(-1) - own > margin, logits.argmax(-1), -1).astype(jnp.int32)


def current(labels: Int[Array, " N"], index: Int[Array, " B"], given: Int[Array, " B"]) -> Int[Array, " B"]:
    """Returns the labels of a batch: the replaced ones, and those of the data set where none was replaced."""
    own = labels[index]
    return jnp.where(own >= 0, own, given)


def relabelled(
    cure: Cure, labels: Int[Array, " N"], step: Array, index: Int[Array, " B"], proposed: Int[Array, " B"]
) -> Int[Array, " N"]:
    """Replaces labels by proposals of at least 0, once their time has come.

    Where an example stands in a batch twice the larger class counts, so that the order does not matter.

    Args:
        cure: of the run.
        labels: −1 where an example has the label of the data set.
        step: of the run, before this one.
        index: the examples of the batch.
        proposed: see `proposals`.
    """
    if cure.relabels_from is None:
        return labels
    proposed = jnp.where(step >= cure.relabels_from, proposed, -1)
    new = jnp.full_like(labels, -1).at[index].max(proposed)
    return jnp.where(new >= 0, new, labels)
