"""Describes the pictures that a network was trained on, so that others can be told from them."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from ferjax.errors import UserError, listed
from ferjax.inference.layer_statistics import statistics
from ferjax.inference.trained import Trained
from ferjax.scores import unlike
from ferjax.training import splits

DESCRIBED = 4_000  # training pictures that show what is like them


def describe(network: Trained, layer: str, data_dir: str = "") -> unlike.Unlike:
    """Describes the statistics of a layer on training pictures, with a threshold found on validation.

    Args:
        network: the network; its config names its set.
        layer: the path of a module whose output is `[B, h, w, F]`; early ones tell most, see docs/refusal.md.
        data_dir: the folder of built sets; the config's own if empty.

    Raises:
        UserError: the network has no such layer, or the layer too many channels; or the set is not there.
    """
    layers = layers_of(network)
    if layer not in layers:
        raise UserError(
            f"{network.config.model.name} has no layer {layer!r} of at most {unlike.MOST_FEATURES // 2} "
            f"channels of maps; it has {listed(layers, most=12) or 'none'}"
        )
    config = network.config.copy_and_resolve_references()
    config.data.dir = data_dir or config.data.dir
    train = splits.load_split(config, "train", cache="stream")
    validation = splits.load_split(config, "validation", cache="stream")
    some = np.sort(np.random.default_rng(0).permutation(len(train))[:DESCRIBED])
    known = statistics(network, layer, train.take(some)["image"])
    others = statistics(network, layer, validation.take(np.arange(len(validation)))["image"])
    return unlike.fit(layer, known, others)


def layers_of(network: Trained) -> list[str]:
    """Lists the layers that can be described, in the order of computation; nothing is computed."""
    channels: dict[str, int] = {}

    def note(call: Any, inputs: tuple, others: dict, context: nn.module.InterceptorContext) -> Any:
        output = call(*inputs, **others)
        if context.method_name == "__call__" and context.module.path and getattr(output, "ndim", 0) == 4:
            channels["/".join(context.module.path)] = output.shape[-1]
        return output

    def forward(variables: Any, images: jax.Array) -> Any:
        with nn.intercept_methods(note):
            return network.model.apply(variables, images, train=False)

    side = network.image_size
    jax.eval_shape(forward, network.variables, jax.ShapeDtypeStruct((1, side, side, 3), jnp.float32))
    return [layer for layer, count in channels.items() if 0 < 2 * count <= unlike.MOST_FEATURES]
