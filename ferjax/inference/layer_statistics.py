"""Means and standard deviations of a layer's channels over places: features of what a picture looks like."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from ferjax.augment import normalise
from ferjax.augment.crops import views
from ferjax.inference.trained import Trained, luma

_BATCH = 256


@contextlib.contextmanager
def outputs_of(layer: str) -> Iterator[list[Array]]:
    """Collects what a layer gives of a network that is applied inside, each time that it is called.

    Args:
        layer: its path, such as `layer1_0`.
    """
    outputs: list[Array] = []

    def keep(call: Callable, inputs: tuple, others: dict, context: nn.module.InterceptorContext) -> Any:
        output = call(*inputs, **others)
        if context.method_name == "__call__" and "/".join(context.module.path) == layer:
            outputs.append(output)
        return output

    with nn.intercept_methods(keep):
        yield outputs


def of_maps(maps: Float[Array, "B h w F"]) -> Float[Array, "B 2*F"]:
    """Computes mean and standard deviation of each channel over places, in float32."""
    maps = maps.astype(jnp.float32)
    return jnp.concatenate([maps.mean((1, 2)), maps.std((1, 2))], axis=1)


def statistics_step(network: Trained, layer: str) -> Callable[[Any, Array], Array]:
    """Builds `step(variables, images) -> features`: uint8 `[B, S, S, C]` to float32 `[B, 2F]`.

    What comes after the layer is not computed when the step is compiled.

    Args:
        network: its weights are not used.
        layer: the path of a module with an output `[B, h, w, F]`, such as `layer1_0`.
    """
    size, dtype = network.image_size, jnp.dtype(network.config.train.precision)

    def step(variables: Any, images: Array) -> Array:
        grey = network.grey and images.shape[-1] == 3
        seen = views(luma(images) if grey else images, size, "none")[0]
        with outputs_of(layer) as outputs:
            network.model.apply(variables, normalise(seen, dtype), train=False)
        return of_maps(outputs[-1])

    return step


def count(network: Trained, layer: str) -> int:
    """Counts the features of `statistics_step`; 0 if the network has no such layer. Nothing is computed."""
    side = network.input_size
    images = jax.ShapeDtypeStruct((1, side, side, 3), jnp.uint8)
    try:
        return jax.eval_shape(statistics_step(network, layer), network.variables, images).shape[1]
    except (IndexError, ValueError, TypeError):  # no such layer, or its output is no map
        return 0


def statistics(network: Trained, layer: str, images: np.ndarray) -> np.ndarray:
    """Computes the features of many pictures: uint8 `[N, S, S, C]` to float32 `[N, 2F]`."""
    step = jax.jit(statistics_step(network, layer))
    variables = jax.device_put(network.variables)
    parts = []
    for start in range(0, len(images), _BATCH):
        rows = images[start : start + _BATCH]
        padding = np.zeros((_BATCH - len(rows), *rows.shape[1:]), np.uint8)
        parts.append(np.asarray(step(variables, np.concatenate([rows, padding])))[: len(rows)])
    return np.concatenate(parts)
