"""Class-activation maps of networks that end in an average over places and what is linear after it.

There logit_k = Σ_c w_ck · mean(A_c) + b_k with A the maps that are averaged last, so that Σ_c w_ck A_c says
what each place adds to the logit. The last average is the last call of
`ferjax.layers.pooling.global_average_pool`; the weights are those of all that follows, in evaluation mode.

References:
    Zhou et al., Learning deep features for discriminative localization, CVPR 2016, equation 2.
"""

from functools import lru_cache, partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ferjax.errors import UserError
from ferjax.layers.pooling import before_averages

# Those of ferjax's networks that have such maps, for messages; the tests compare it with what is found.
FITTING = (
    "big_xception", "efficientnet_b0", "efficientnet_b2", "face_expression_net", "facenet", "ir50",
    "mini_xception", "resmaskingnet", "resnet18", "resnet34", "resnet50", "se_resnet18", "se_resnet34",
    "se_resnet50", "small_resnet",
)  # fmt: skip

ImageShape = tuple[int, int, int]


def class_weights(
    model: nn.Module, variables: Any, image_shape: ImageShape, dtype: Any = jnp.float32
) -> Float[Array, "C K"]:
    """Returns w, what one unit of the average of channel c adds to logit k.

    Under jit, XLA removes the layers before the average, whose result is not read.

    Args:
        model: a network that `check_fits` lets pass.
        variables: its `{"params", "batch_stats"}`.
        image_shape: `(H, W, C)`.
        dtype: of the maps.
    """
    _, (*_, channels) = _last_average(model, image_shape)
    units = jnp.eye(channels, dtype=dtype)[:, None, None, :]
    # The derivative along each channel, and not the value there: that would hold the bias too.
    return jax.jvp(partial(_tail, model, variables, image_shape), (jnp.zeros_like(units),), (units,))[1]


def check_fits(model: nn.Module, image_shape: ImageShape, needed_by: str, instead: str = "") -> None:
    """Refuses a network that has no class-activation maps; nothing is computed.

    Args:
        model: the network.
        image_shape: `(H, W, C)` of its images.
        needed_by: what needs them, for the message.
        instead: what to take for this network; the networks that fit are listed if empty.

    Raises:
        UserError: its last average is not over the maps of single images, or what follows is not linear.
    """
    if reason := _misfit(model, image_shape):
        advice = instead or f"these do: {', '.join(FITTING)}"
        raise UserError(
            f"{needed_by} needs a network that ends in an average over places and one linear layer; "
            f"{reason}: {advice}"
        )


def check_averages(model: nn.Module, image_shape: ImageShape, needed_by: str) -> None:
    """Refuses a network that averages no maps of single images over places; nothing is computed.

    Args:
        model: the network.
        image_shape: `(H, W, C)` of its images.
        needed_by: what needs them, for the message.

    Raises:
        UserError: it does not, and which networks do.
    """
    if reason := _without_average(model, image_shape):
        raise UserError(
            f"{needed_by} needs a network that averages maps over places; {reason}: these do: "
            f"{', '.join(FITTING)}"
        )


def _without_average(model: nn.Module, image_shape: ImageShape) -> str:
    """Says why the maps that a network averages last are not those of its images; empty if they are."""
    number, shape = _last_average(model, image_shape)
    if number < 0:
        return f"{type(model).__name__} has no such average"
    return "" if shape[0] == 1 else f"{type(model).__name__} averages {shape[0]} views of an image"


@lru_cache(maxsize=64)
def _misfit(model: nn.Module, image_shape: ImageShape) -> str:
    """Says why a network has no class-activation maps; empty if it has."""
    if reason := _without_average(model, image_shape):
        return reason
    _, shape = _last_average(model, image_shape)
    variables, maps = _shapes(model, image_shape), jax.ShapeDtypeStruct(shape, jnp.float32)

    def transposed(variables: Any) -> Any:
        return jax.linear_transpose(partial(_tail, model, variables, image_shape), maps)(
            jnp.zeros((1, model.num_classes))
        )

    try:
        jax.eval_shape(transposed, variables)
    except Exception:  # each operation that cannot be transposed raises another exception
        return f"what {type(model).__name__} does after its last average is not linear"
    return ""


@lru_cache(maxsize=64)
def _last_average(model: nn.Module, image_shape: ImageShape) -> tuple[int, tuple[int, ...]]:
    """Returns the last average's number, from 0 on (−1: none), and the shape of its maps for one image."""
    shapes = []

    def see(maps: Array) -> Array:
        shapes.append(maps.shape)
        return maps

    variables, images = _shapes(model, image_shape), jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    with before_averages(see):
        jax.eval_shape(partial(model.apply, train=False), variables, images)
    return len(shapes) - 1, shapes[-1] if shapes else (0, 0, 0, 0)


@lru_cache(maxsize=64)
def _shapes(model: nn.Module, image_shape: ImageShape) -> Any:
    images = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    return jax.eval_shape(partial(model.init, train=False), jax.random.key(0), images)


def _tail(model: nn.Module, variables: Any, image_shape: ImageShape, given: Array) -> Array:
    """Computes the logits in evaluation mode with the maps of the last average replaced by `given`."""
    last, seen = _last_average(model, image_shape)[0], 0

    def replace(maps: Array) -> Array:
        nonlocal seen
        seen += 1
        return given if seen == last + 1 else maps

    images = jnp.zeros((len(given), *image_shape), jnp.float32)
    with before_averages(replace):
        logits: Any = model.apply(variables, images, train=False)
    return logits
