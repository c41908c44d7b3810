"""What a network's last layers read, kept while it is applied: averaged maps, and a classifier's input."""

import contextlib
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array

from ferjax.errors import UserError
from ferjax.layers.linear import Linear
from ferjax.layers.pooling import before_averages


class Seen(NamedTuple):
    """What was seen; None where the network has no such thing or it was not asked for.

    Attributes:
        maps: what is averaged over places last, `[B, h, w, C]`.
        features: what the classifier takes, `[B, F]`.
    """

    maps: Any = None
    features: Any = None


def observed(
    apply: Callable[..., Any], maps: bool = False, classifier: str = ""
) -> Callable[..., tuple[Any, Seen]]:
    """Wraps a network's `apply` so that it also returns what was seen.

    Args:
        apply: `model.apply`; not compiled on its own.
        maps: whether the averaged maps are wanted.
        classifier: path of the layer whose input is wanted; none if empty.
    """

    def applied(*arguments: Any, **keywords: Any) -> tuple[Any, Seen]:
        averaged, features = [], []

        def see(x: Array) -> Array:
            averaged.append(x)
            return x

        def keep(call: Callable, inputs: tuple, others: dict, context: nn.module.InterceptorContext) -> Any:
            if context.method_name == "__call__" and "/".join(context.module.path) == classifier:
                features.append(inputs[0])
            return call(*inputs, **others)

        with contextlib.ExitStack() as stack:
            if maps:
                stack.enter_context(before_averages(see))
            if classifier:
                stack.enter_context(nn.intercept_methods(keep))
            result = apply(*arguments, **keywords)
        return result, Seen(averaged[-1] if averaged else None, features[-1] if features else None)

    return applied


@lru_cache(maxsize=64)
def classifier_of(model: nn.Module, image_shape: tuple[int, int, int], needed_by: str) -> str:
    """Finds the linear layer whose result is the logits; nothing is computed.

    Args:
        model: the network.
        image_shape: `(H, W, C)`.
        needed_by: what needs it, for the message.

    Returns:
        Its path, such as `fc`.

    Raises:
        UserError: the network does not end in a linear layer that takes `[B, F]`.
    """
    results: list[tuple[str, tuple[int, ...], Any]] = []

    def note(call: Callable, inputs: tuple, others: dict, context: nn.module.InterceptorContext) -> Any:
        out = call(*inputs, **others)
        if context.method_name == "__call__" and isinstance(context.module, Linear):
            results.append(("/".join(context.module.path), inputs[0].shape, out))
        return out

    def forward(variables: Any, images: Array) -> Any:
        with nn.intercept_methods(note):
            logits = model.apply(variables, images, train=False)
        # The very same array: nothing is done to it afterwards.
        found.extend(path for path, shape, out in results if out is logits and len(shape) == 2)
        return logits

    found: list[str] = []
    images = jax.ShapeDtypeStruct((2, *image_shape), jnp.float32)
    variables = jax.eval_shape(partial(model.init, train=False), jax.random.key(0), images)
    jax.eval_shape(forward, variables, images)
    if not found:
        raise UserError(
            f"{needed_by} needs a network whose logits are the result of a linear layer "
            f"(ferjax.layers.linear.Linear), as those of a ResNet are; {type(model).__name__}'s are not"
        )
    return found[-1]
