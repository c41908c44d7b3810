"""Decay of the learning rate by layer: the nearer a layer is to the image, the more slowly it moves."""

from collections.abc import Iterable
from functools import partial

import flax.linen as nn

from ferjax.errors import UserError
from ferjax.registry import NETWORKS


def layer_rates(model: nn.Module, paths: Iterable[str], decay: float) -> dict[str, float]:
    """Returns each parameter's factor on the learning rate: decay^(L − l), with L the last layer's number.

    Args:
        model: a network with a method `layer_of`, which gives a parameter's layer by its path, from 0, the
            image's side.
        paths: of all parameters, such as `blocks_0/attn/qkv/kernel`.
        decay: in (0, 1].

    Raises:
        UserError: the network does not say which layers it has; those that do are named.

    References:
        Clark et al., ELECTRA, ICLR 2020; for images Bao et al., BEiT, ICLR 2022.
    """
    layer_of = getattr(model, "layer_of", None)
    if layer_of is None:
        raise UserError(
            "optimizer.layer_decay needs a network with the method layer_of, which "
            f"{type(model).__name__} has not; these have it: {', '.join(_with_layers())}; "
            "stages.stageN.depth_decay works with all networks"
        )
    layers = {path: layer_of(path) for path in paths}
    last = max(layers.values())
    return {path: decay ** (last - layer) for path, layer in layers.items()}


def _with_layers() -> list[str]:
    """Lists the registered networks that have layers."""
    classes = {
        entry.name: entry.target.func if isinstance(entry.target, partial) else entry.target
        for entry in NETWORKS.entries()
    }
    return [name for name, code in classes.items() if hasattr(code, "layer_of")]
