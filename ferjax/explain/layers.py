"""Finds a network's layers by name, reads their results, and computes the logits from changed results.

Names are paths of modules, as in the parameters: `res_block1/bn2`. Networks need no code for this: Flax can
intercept the call of any module.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ferjax.errors import UserError, nearest

# Rows and columns of a ResNet's last layer at 224×224, which the Grad-CAM paper uses. On smaller images that
# layer has only two or three; there an eighth of the image's side is enough.
USUAL_GRID = 7
SHARE_OF_IMAGE = 8


def image_hw(images: Float[Array, "B H W C"]) -> tuple[int, int]:
    """Returns the rows and columns of a batch of images."""
    _, height, width, _ = images.shape
    return height, width


def _is_call(context: nn.module.InterceptorContext) -> bool:
    return context.method_name == "__call__" and bool(context.module.path)


def _name(module: nn.Module) -> str:
    return "/".join(module.path)


@lru_cache(maxsize=64)
def _results(
    model: nn.Module, image_hw: tuple[int, int]
) -> tuple[tuple[str, type[nn.Module], tuple[int, ...]], ...]:
    """Lists name, class and result shape of every layer for one image, in the order of the calls."""
    results = []

    def record(
        call: Callable, arguments: tuple, keywords: dict, context: nn.module.InterceptorContext
    ) -> Any:
        out = call(*arguments, **keywords)
        if _is_call(context) and isinstance(out, jax.Array):
            results.append((_name(context.module), type(context.module), out.shape))
        return out

    images = jax.ShapeDtypeStruct((1, *image_hw, 3), jnp.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), images)
    with nn.intercept_methods(record):
        jax.eval_shape(model.apply, variables, images)
    return tuple(results)


def layers_of(model: nn.Module, image_hw: tuple[int, int], kind: type[nn.Module]) -> tuple[str, ...]:
    """Lists the names of a network's layers of one class, in the order of the calls; computes nothing."""
    return tuple(name for name, layer, _ in _results(model, image_hw) if issubclass(layer, kind))


def spatial_layers(model: nn.Module, image_hw: tuple[int, int]) -> dict[str, tuple[int, ...]]:
    """Lists every layer whose result has rows and columns, in the order of the calls; computes nothing.

    Args:
        model: the network.
        image_hw: rows and columns of its images.

    Returns:
        Name → (views, h, w, C): the shape of the result for one image; some networks see several views of it.
    """
    return {name: shape for name, _, shape in _results(model, image_hw) if len(shape) == 4}


def default_layer(model: nn.Module, image_hw: tuple[int, int]) -> str:
    """Chooses the last layer with at least 7×7 places, or an eighth of the image's sides if that is less.

    Raises:
        UserError: no layer's result has rows and columns.
    """
    layers = spatial_layers(model, image_hw)
    if not layers:
        raise UserError(f"{type(model).__name__} has no layer whose result has rows and columns")
    needed = [min(USUAL_GRID, side // SHARE_OF_IMAGE) for side in image_hw]
    fine = [name for name, (_, h, w, _) in layers.items() if h >= needed[0] and w >= needed[1]]
    return fine[-1] if fine else next(iter(layers))


def check_layer(model: nn.Module, image_hw: tuple[int, int], layer: str | None) -> str:
    """Returns the layer's name if it exists, and the default layer if the name is None or empty.

    Raises:
        UserError: no layer with rows and columns has this name; the nearest names are listed.
    """
    if not layer:
        return default_layer(model, image_hw)
    layers = spatial_layers(model, image_hw)
    if layer not in layers:
        # Reversed, because the last layers are the usual choice if no name is near.
        near = nearest(layer, reversed(list(layers)), most=4)
        raise UserError(f"the network has no spatial layer {layer!r}; the nearest are {near}")
    return layer


def activation(
    model: nn.Module, variables: Any, images: Float[Array, "B H W 3"], layer: str
) -> Float[Array, "BV h w C"]:
    """Computes a layer's result for images, in evaluation mode: `[B, h, w, C]`, or `[B·views, h, w, C]`."""
    results = []

    def keep(call: Callable, arguments: tuple, keywords: dict, context: nn.module.InterceptorContext) -> Any:
        out = call(*arguments, **keywords)
        if _is_call(context) and _name(context.module) == layer:
            results.append(out)
        return out

    with nn.intercept_methods(keep):
        model.apply(variables, images)
    return results[-1]


def logits_from(
    model: nn.Module,
    variables: Any,
    images: Float[Array, "B H W 3"],
    layer: str,
    given: Float[Array, "BV h w C"],
) -> Float[Array, "B K"]:
    """Computes the logits with a layer's result replaced by `given`.

    `images` still reach the paths around the layer.     Under jit, XLA removes the computation before the
    layer where nothing else reads it.
    """

    def replace(
        call: Callable, arguments: tuple, keywords: dict, context: nn.module.InterceptorContext
    ) -> Any:
        here = _is_call(context) and _name(context.module) == layer
        return given if here else call(*arguments, **keywords)

    with nn.intercept_methods(replace):
        return logits_of(model, variables, images)


def logits_of(model: nn.Module, variables: Any, images: Float[Array, "B H W 3"]) -> Float[Array, "B K"]:
    """Computes the logits, in evaluation mode."""
    logits = model.apply(variables, images)
    assert isinstance(logits, jax.Array)  # not also changed variables, as `mutable` would return
    return logits


def class_scores(logits: Float[Array, "B K"], classes: Int[Array, " B"]) -> Float[Array, " B"]:
    """Takes each image's logit of its class, at least float32."""
    wide = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
    return jnp.take_along_axis(wide, classes[:, None], axis=1)[:, 0]
