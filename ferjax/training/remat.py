"""Rematerialisation: less memory for the backward pass, some of the forward pass computed twice."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
from jax.ad_checkpoint import checkpoint_name

from ferjax.layers.conv import Conv
from ferjax.layers.linear import Linear

NAMES = ("none", "layers")
_KEPT = "kept"


def _tag(call: Callable, arguments: tuple, keywords: dict, context: nn.module.InterceptorContext) -> Any:
    """Marks what convolutions and linear layers give."""
    out = call(*arguments, **keywords)
    layer = context.method_name == "__call__" and isinstance(context.module, Conv | Linear)
    return checkpoint_name(out, _KEPT) if layer else out


_named = jax.checkpoint_policies.save_only_these_names(_KEPT)


def _kept(primitive: Any, *avals: Any, **params: Any) -> bool:
    """Keeps the marked arrays, and sums over all axes but one at most.

    Those are the batch statistics: tiny, and an all-reduce of its own on several devices.
    """
    if primitive.name == "reduce_sum":
        return len(params["axes"]) >= avals[0].ndim - 1
    return _named(primitive, *avals, **params)


def rematerialised(apply: Callable[..., Any], how: str) -> Callable[..., Any]:
    """A network's `apply` with fewer arrays kept for the backward pass; values and names stay the same.

    Args:
        apply: `model.apply`, or a function that calls it and takes the same arguments.
        how: `none`: all is kept. `layers`: what convolutions and linear layers give is kept; normalisation,
            activations, dropout, pooling and attention are computed again from it, with no matrix product but
            those of self-attention.

    Returns:
        A function of `(variables, images, rngs=…, **options)` as `apply`; options are Python values.
    """
    if how == "none":
        return apply

    def again(variables: Any, images: jax.Array, rngs: Any, **options: Any) -> Any:
        def forward(variables: Any, images: jax.Array, rngs: Any) -> Any:
            with nn.intercept_methods(_tag):
                return apply(variables, images, rngs=rngs, **options)

        return jax.checkpoint(forward, policy=_kept)(variables, images, rngs)

    return again
