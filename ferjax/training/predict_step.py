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
from ferjax.models.observed import observed
from ferjax.training import affect

Images = UInt8[Array | np.ndarray, "B H W C"]
Logits = Float[Array, "B K"]
Affect = Float[Array, "B 2"]


def make_predict_step(
    model: nn.Module, dtype: DTypeLike, image_size: int | None = None, crops: str = "none"
) -> Callable[[Any, Images], Logits]:
    """Builds `predict_step(variables, images) -> logits`: uint8 `[B, H, W, C]` to `[B, K]`.

    Arguments as `make_answer_step`.
    """
    answer_step = make_answer_step(model, dtype, image_size, crops)
    return lambda variables, images: answer_step(variables, images)[0]


def make_answer_step(
    model: nn.Module,
    dtype: DTypeLike,
    image_size: int | None = None,
    crops: str = "none",
    head: affect.Head | None = None,
) -> Callable[[Any, Images], tuple[Logits, Affect | None]]:
    """Builds `answer_step(variables, images) -> (logits, valence and arousal)`.

    Args:
        model: the network.
        dtype: compute dtype.
        image_size: what the network takes, cut out of larger images; the whole images if None.
        crops: "none" cuts the centre; "five" and "ten" average the probabilities of as many crops, see
            `ferjax.augment.crops.views`, and their valence and arousal.
        head: of valence and arousal; the second result is None without one.

    Returns:
        A function of variables and uint8 `[B, H, W, C]`, to `[B, K]` and float32 `[B, 2]`.
    """
    apply = observed(model.apply, classifier=head.classifier if head else "")

    def look(variables: Any, images: Images) -> tuple[Logits, Affect | None]:
        logits, seen = apply(variables, normalise(images, dtype), train=False)
        return logits, affect.predicted(variables["params"], seen.features) if head else None

    def answer_step(variables: Any, images: Images) -> tuple[Logits, Affect | None]:
        if image_size is None:
            return look(variables, images)
        looks = [look(variables, view) for view in views(images, image_size, crops)]
        if len(looks) == 1:
            return looks[0]
        logits = jnp.stack([own for own, _ in looks])
        chances = jax.nn.log_softmax(logits.astype(jnp.promote_types(logits.dtype, jnp.float32)))
        values = [value for _, value in looks if value is not None]
        mean = jnp.stack(values).mean(0) if values else None
        return jax.nn.logsumexp(chances, axis=0) - jnp.log(len(logits)), mean

    return answer_step
