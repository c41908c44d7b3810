"""A network's layers by name: what they give, and the logits if they had given something else.

Names are paths of modules, as in the parameters: `res_block1/bn2`. Networks need no code for this: Flax lets
a caller stand between a module and its result.
"""

import difflib
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from ferjax.errors import UserError

# Rows and columns of what a ResNet gives at 224×224, which Grad-CAM's authors look at; of smaller images an
# eighth, where such a network's grid would have but two or three.
USUAL_GRID = 7
SHARE_OF_IMAGE = 8


def _is_call(context: nn.module.InterceptorContext) -> bool:
    return context.method_name == "__call__" and bool(context.module.path)


def _name(module: nn.Module) -> str:
    return "/".join(module.path)


@lru_cache(maxsize=64)
def _results(
    model: nn.Module, image_hw: tuple[int, int]
) -> tuple[tuple[str, type[nn.Module], tuple[int, ...]], ...]:
    """Name, class and shape of the result of every layer for one image, in the order of the calls."""
    found = []

    def look(call: Callable, arguments: tuple, keywords: dict, context: nn.module.InterceptorContext) -> Any:
        out = call(*arguments, **keywords)
        if _is_call(context) and isinstance(out, jax.Array):
            found.append((_name(context.module), type(context.module), out.shape))
        return out

    images = jax.ShapeDtypeStruct((1, *image_hw, 3), jnp.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), images)
    with nn.intercept_methods(look):
        jax.eval_shape(model.apply, variables, images)
    return tuple(found)


def layers_of(model: nn.Module, image_hw: tuple[int, int], kind: type[nn.Module]) -> tuple[str, ...]:
    """The names of a network's layers of one class, in the order of the calls; nothing is computed."""
    return tuple(name for name, layer, _ in _results(model, image_hw) if issubclass(layer, kind))


def spatial_layers(model: nn.Module, image_hw: tuple[int, int]) -> dict[str, tuple[int, ...]]:
    """Every layer whose result has places, in the order of the calls; nothing is computed.

    Args:
        model: the network.
        image_hw: rows and columns of its images.

    Returns:
        Name → (views, h, w, C): the shape of the result for one image, of which some networks see several
        views.
    """
    return {name: shape for name, _, shape in _results(model, image_hw) if len(shape) == 4}


def default_layer(model: nn.Module, image_hw: tuple[int, int]) -> str:
    """The last layer with at least 7×7 places, or an eighth of the image's rows and columns if that is less.

    Raises:
        UserError: the network has no layer with places.
    """
    layers = spatial_layers(model, image_hw)
    if not layers:
        raise UserError(f"{type(model).__name__} has no layer whose result has rows and columns")
    needed = [min(USUAL_GRID, side // SHARE_OF_IMAGE) for side in image_hw]
    fine = [name for name, (_, h, w, _) in layers.items() if h >= needed[0] and w >= needed[1]]
    return fine[-1] if fine else next(iter(layers))


def check_layer(model: nn.Module, image_hw: tuple[int, int], layer: str | None) -> str:
    """The layer of this name; the default one if it is None or empty.

    Raises:
        UserError: there is none of the name; the nearest ones are told.
    """
    if not layer:
        return default_layer(model, image_hw)
    layers = spatial_layers(model, image_hw)
    if layer not in layers:
        near = difflib.get_close_matches(layer, layers, n=4, cutoff=0.3)
        told = "the nearest are" if near else "the last ones are"
        raise UserError(
            f"the network has no spatial layer {layer!r}; {told} {', '.join(near or list(layers)[-4:])}"
        )
    return layer


def activation(model: nn.Module, variables: Any, images: Array, layer: str) -> Array:
    """What a layer gives for images, in evaluation mode: `[B, h, w, C]`, or `[B·views, h, w, C]`."""
    found = []

    def keep(call: Callable, arguments: tuple, keywords: dict, context: nn.module.InterceptorContext) -> Any:
        out = call(*arguments, **keywords)
        if _is_call(context) and _name(context.module) == layer:
            found.append(out)
        return out

    with nn.intercept_methods(keep):
        model.apply(variables, images)
    return found[-1]


def logits_from(model: nn.Module, variables: Any, images: Array, layer: str, given: Array) -> Array:
    """The logits `[B, K]` if a layer had given `given`; `images` only matter to what goes round the layer.

    Under jit nothing before the layer is computed twice, or at all where nothing else reads it.
    """

    def replace(
        call: Callable, arguments: tuple, keywords: dict, context: nn.module.InterceptorContext
    ) -> Any:
        here = _is_call(context) and _name(context.module) == layer
        return given if here else call(*arguments, **keywords)

    with nn.intercept_methods(replace):
        return model.apply(variables, images)


def class_scores(logits: Array, classes: Array) -> Array:
    """Each image's logit of its class, float32: `[B, K]` and `[B]` to `[B]`."""
    wide = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
    return jnp.take_along_axis(wide, classes[:, None], axis=1)[:, 0]
