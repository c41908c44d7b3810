"""Relative uncertainty learning: a head says how uncertain an image is beside another of its batch.

Images are learnt from in pairs. The features of both are added, each with its share of the pair's
uncertainty, and the sum must show both labels: so the head gives most to the image whose label is hardest to
see.

The head is used in training only. The authors' network has two heads on the last maps, alike but for their
purpose, and the one for the features is kept in use; here the network's own features, the classifier's input,
take the place of that one, so that the plain network is what is trained.

References:
    Zhang et al., Relative uncertainty learning for facial expression recognition, NeurIPS 2021, section 3.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key
from ml_collections import ConfigDict

from ferjax.layers.init import uniform_fan_in
from ferjax.training.classifier_input import classifier_input

NEEDED_BY = "loss.rul"
_EPSILON = 2e-5  # of both normalisations, as in the authors' code


class Uncertainty(NamedTuple):
    """What the method needs to know of a run.

    Attributes:
        classifier: path of the linear layer whose input the head reads.
        features: F, numbers that the layer reads.
        size: S, logarithms of variances that the head gives.
    """

    classifier: str
    features: int
    size: int


def uncertainty_of(
    config: ConfigDict, model: nn.Module, image_shape: tuple[int, int, int]
) -> Uncertainty | None:
    """Returns what the method needs, or None where it is off.

    Args:
        config: the group `loss` is read.
        model: the network.
        image_shape: `(H, W, C)`.

    Raises:
        UserError: the network does not end in a linear layer.
    """
    if not config.loss.rul:
        return None
    classifier, features = classifier_input(model, image_shape, NEEDED_BY)
    return Uncertainty(classifier, features, config.loss.rul_size)


def initial(method: Uncertainty, key: Key[Array, ""]) -> dict[str, Array]:
    """Draws the linear layer's weights from PyTorch's distribution; the normalisation begins as none."""
    first, second = jax.random.split(key)
    init = uniform_fan_in(method.features)
    return {
        "kernel": init(first, (method.features, method.size), jnp.float32),
        "bias": init(second, (method.size,), jnp.float32),
        "scale": jnp.ones(method.size, jnp.float32),
        "shift": jnp.zeros(method.size, jnp.float32),
    }


def uncertainty(
    head: Any, features: Float[Array, "B F"], dropout: float, key: Key[Array, ""]
) -> Float[Array, " B"]:
    """Computes u, the mean variance, above zero, float32.

    The variances are exp(BN(W · dropout(BN(f)) + b)), the first normalisation without scale and shift; both
    use the batch's own statistics, for the head is never used outside training.

    Args:
        head: as `initial` makes it.
        features: what the classifier reads.
        dropout: the part of them that is left out.
        key: of the dropout.
    """
    x = _standardised(features.astype(jnp.float32))
    if dropout:
        x = jnp.where(jax.random.bernoulli(key, 1 - dropout, x.shape), x / (1 - dropout), 0)
    x = _standardised(x @ head["kernel"] + head["bias"])
    return jnp.exp(x * head["scale"] + head["shift"]).mean(-1)


def _standardised(x: Float[Array, "B F"]) -> Float[Array, "B F"]:
    return (x - x.mean(0)) * jax.lax.rsqrt(x.var(0) + _EPSILON)


def blended(
    logits: Float[Array, "B K"], uncertainty: Float[Array, " B"], partner: Int[Array, " B"]
) -> Float[Array, "B K"]:
    """Adds each row and its partner's with weights u_i / (u_i + u_j) and u_j / (u_i + u_j).

    The weights add up to one, so that of a linear layer's results this is what the layer gives for the
    features added likewise, as the paper writes it.

    Args:
        logits: of single images.
        uncertainty: see `uncertainty`.
        partner: the row that each row is paired with.
    """
    share = (uncertainty / (uncertainty + uncertainty[partner]))[:, None]
    logits = logits.astype(jnp.promote_types(logits.dtype, share.dtype))
    return share * logits + (1 - share) * logits[partner]
