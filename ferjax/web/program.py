"""The program of the page, as ONNX: what the network answers, and class-activation maps beside it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ferjax.augment.crops import VIEWS
from ferjax.deploy import onnx
from ferjax.errors import UserError
from ferjax.inference import program as answers
from ferjax.inference import trained
from ferjax.inference.trained import Trained
from ferjax.layers.pooling import before_averages
from ferjax.models import class_maps


def export(network: Trained, path: Path) -> float:
    """Writes the program with its weights, in float32, and compares its answers with the network's.

    Args:
        network: the network.
        path: the file to write, see `with_maps`.

    Returns:
        The largest difference of a probability, see `ferjax.deploy.export_check`.

    Raises:
        UserError: a package is not installed, or the network cannot be written as ONNX.
    """
    onnx.check_installed()
    network = trained.in_precision(network, "float32")
    program = with_maps(network)
    written = onnx.translated(
        network, lambda images: tuple(program(network.variables, images).values()), outputs(network)
    )
    return onnx.write_checked(network, written, path)


def outputs(network: Trained) -> list[str]:
    """Names what the program returns, in order."""
    return [*answers.outputs(network), *(["maps"] if has_maps(network) else [])]


def has_maps(network: Trained) -> bool:
    """Tells whether the network has class-activation maps, see `ferjax.models.class_maps`."""
    try:
        class_maps.check_fits(network.model, _image_shape(network), "a heat map")
    except UserError:
        return False
    return True


def with_maps(network: Trained) -> Callable[[Any, Array], dict[str, Array]]:
    """Builds `program(variables, images) -> results`: uint8 `[B, S, S, 3]`, S = `network.input_size`.

    Args:
        network: the network.

    Returns:
        A pure function to a dict of what `ferjax.inference.program` gives, and `maps`, float32
        `[B, h, w, K]`, if `has_maps`: what each place of the centre crop adds to each logit, of which
        `ferjax.explain.class_activation_map` enlarges one class.
    """
    answer, views = answers.program(network), VIEWS[network.config.eval.crops]
    weights = None
    if has_maps(network):
        # Computed now: the program holds the numbers.
        find = partial(class_maps.class_weights, network.model, image_shape=_image_shape(network))
        weights = np.asarray(jax.jit(find)(network.variables))

    def program(variables: Any, images: Array) -> dict[str, Array]:
        averaged: list[Array] = []

        def see(maps: Array) -> Array:
            averaged.append(maps)
            return maps

        with before_averages(see):
            results = answer(variables, images)
        if weights is not None:
            # The centre is the first view; its last average counts, as networks may average more than once.
            maps = averaged[len(averaged) // views - 1].astype(jnp.float32)
            results["maps"] = maps @ weights / (maps.shape[1] * maps.shape[2])
        return results

    return program


def _image_shape(network: Trained) -> tuple[int, int, int]:
    return network.image_size, network.image_size, 3
