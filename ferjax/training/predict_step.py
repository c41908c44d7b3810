"""The pure step of a prediction: logits of a batch of pictures, by one look or by several crops."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float, UInt8

from ferjax.augment import normalise
from ferjax.augment.crops import views

Images = UInt8[Array | np.ndarray, "B H W C"]
Logits = Float[Array, "B K"]


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
