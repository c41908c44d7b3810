"""Estimates the memory that a network needs for pictures, before anything is allocated for them."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax

from ferjax import models
from ferjax.errors import UserError
from ferjax.platform.memory import machine_memory

_BYTES = 4  # of a number in float32
# A layer's input and output are there at the same time.
_ARRAYS = 2
# The part of the machine's memory that pictures may take.
_SHARE = 0.5
# Numbers of a batch of pictures for which every machine has memory: 64 of 512×512.
_FEW = 64 * 512 * 512 * 3


def shapes_and_bytes(model: nn.Module, image_shape: tuple[int, int, int]) -> tuple[Mapping[str, Any], int]:
    """Traces a network once.

    Args:
        model: the network.
        image_shape: (H, W, C) of what it takes.

    Returns:
        Its initial variables as shapes, and the bytes that one picture needs: the largest array that a module
        gives, twice. Nothing is computed.
    """
    largest = math.prod(image_shape)

    def measure(
        call: Callable, arguments: tuple, keywords: dict, context: nn.module.InterceptorContext
    ) -> Any:
        nonlocal largest
        out = call(*arguments, **keywords)
        sizes = [math.prod(leaf.shape) for leaf in jax.tree.leaves(out) if hasattr(leaf, "shape")]
        largest = max(largest, *sizes, 0)
        return out

    with nn.intercept_methods(measure):
        shapes = models.initial_shapes(model, image_shape)
    return shapes, largest * _BYTES * _ARRAYS


def check_one_picture(needed: int, weights: int, side: int, where: object) -> None:
    """Refuses a network that this machine cannot run.

    Args:
        needed: bytes for one picture.
        weights: bytes of the weights.
        side: pixels, both sides, of the pictures.
        where: what asks for the network, for the message.

    Raises:
        UserError: what it needs, and what there is.
    """
    if needed + weights > available():
        raise UserError(
            f"{where} asks for a network that needs about {(needed + weights) / 2**30:,.1f} GiB for one "
            f"picture of {side}×{side}, and this machine has {available() / _SHARE / 2**30:,.1f} GiB: use a "
            "larger machine"
        )


def most_pictures(model: nn.Module, image_shape: tuple[int, int, int], wanted: int) -> int:
    """Returns how many pictures at once there is memory for: at least 1, at most as many as are wanted."""
    if wanted * math.prod(image_shape) <= _FEW:
        return wanted
    return max(1, min(wanted, available() // shapes_and_bytes(model, image_shape)[1]))


def available() -> int:
    """Returns the bytes that pictures may take: half of what this process can have."""
    return int(machine_memory() * _SHARE)
