"""Contrastive learning (SimCLR; Chen et al., 2020): a network learns to find the other view of an image.

Two views of each image are drawn; what the classifier would read of them goes through a small projection, and
each view shall be nearer to the other one of its image than to those of all other images of the batch. The
network keeps its names, so that a training with classes begins with what it has learnt.

References:
    Chen, Kornblith, Norouzi & Hinton, A simple framework for contrastive learning of visual
    representations, ICML 2020, sections 2.1 and 4.2.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ferjax.layers.linear import Linear
from ferjax.models.observed import classifier_of

# What a training with classes does not take over: the projection's modules, by the begin of their paths.
PROJECTION = "projection_"


class Contrastive(nn.Module):
    """A network without its classifier, whose features pass a projection of two layers with a ReLU between.

    Its parameters are those of the network, but for the classifier's, and `projection_hidden`,
    `projection_out`.

    Attributes:
        network: with a linear layer as its classifier.
        classifier: that layer's path.
        size: numbers in a projected view; the layer before is as wide as the features.
    """

    network: nn.Module
    classifier: str
    size: int = 128

    def setup(self) -> None:
        """Puts the network's parameters beside the projection's."""
        nn.share_scope(self, self.network)

    @nn.compact
    def __call__(
        self, images: Float[Array | np.ndarray, "..."], train: bool = False
    ) -> Float[Array, "B {self.size}"]:
        """Projects normalised images `[B, H, W, 3]` onto the unit sphere, in float32 or float64.

        Raises:
            UserError: the network cannot take such images.
        """
        features: list[Array] = []

        def instead(call: Any, inputs: tuple, others: dict, context: nn.module.InterceptorContext) -> Any:
            layer = context.module
            if context.method_name != "__call__" or "/".join(layer.path) != self.classifier:
                return call(*inputs, **others)
            features.append(inputs[0])
            return jnp.zeros((len(inputs[0]), layer.features), inputs[0].dtype)

        with nn.intercept_methods(instead):
            self.network(images, train=train)
        x = features[-1]
        dtype = getattr(self.network, "dtype", None)
        x = nn.relu(Linear(x.shape[-1], dtype=dtype, name=f"{PROJECTION}hidden")(x))
        x = Linear(self.size, dtype=dtype, name=f"{PROJECTION}out")(x)
        x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        return x / jnp.sqrt(jnp.square(x).sum(-1, keepdims=True) + jnp.finfo(x.dtype).tiny)


def contrasted(model: nn.Module, image_shape: tuple[int, int, int], size: int) -> Contrastive:
    """Makes the contrastive network of one with classes.

    Args:
        model: the network.
        image_shape: `(H, W, C)`.
        size: see `Contrastive`.

    Raises:
        UserError: the network does not end in a linear layer.
    """
    classifier = classifier_of(model, image_shape, "pretrain.method=simclr")
    return Contrastive(model, classifier, size)


def contrastive_loss(
    first: Float[Array | np.ndarray, "B D"], second: Float[Array | np.ndarray, "B D"], temperature: float
) -> Float[Array, " B"]:
    """Computes the normalised temperature-scaled cross entropy (NT-Xent, equation 1) of each image.

    Of the 2 B − 1 other views, the right one is that of the same image.

    Args:
        first: one view of each image, of length 1.
        second: the other one.
        temperature: divides the cosines.

    Returns:
        The mean of the losses of an image's two views; of a single image it is 0.
    """
    views = jnp.concatenate([jnp.asarray(first), jnp.asarray(second)])
    count = len(views) // 2
    cosines = views @ views.T
    itself = jnp.eye(2 * count, dtype=bool)
    logits = jnp.where(itself, -jnp.inf, cosines / temperature)
    right = (jnp.asarray(first) * jnp.asarray(second)).sum(-1) / temperature
    return jax.nn.logsumexp(logits, axis=1).reshape(2, count).mean(0) - right
