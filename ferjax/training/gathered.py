"""Weights that devices divide among themselves, gathered once for a step (Xu et al., 2020; ZeRO, 2020).

The network then runs as if every device held all of them; each device gets the sum of the gradients for its
own part only, and updates that part.
"""

from collections.abc import Callable
from typing import Any

import jax
from jax import Array, lax
from jax.sharding import Mesh
from jax.typing import DTypeLike

from ferjax.cluster.mesh import replicated, state_shardings


def gathering(mesh: Mesh, dtype: DTypeLike | None) -> Callable[[Any], Any]:
    """Returns a function that gathers a tree of weights, and scatters its gradient.

    Args:
        mesh: the devices.
        dtype: of gathered kernels and of the sums of their gradients; that of the weights if None. Layers
            compute with kernels in this dtype anyway; other weights stay as they are.
    """

    def gather(path: tuple[Any, ...], leaf: Array) -> Array:
        if leaf.ndim < 2:
            return leaf
        kernel = getattr(path[-1], "key", "").rpartition("/")[2] == "kernel"
        narrow, own = (dtype if kernel and dtype else leaf.dtype), state_shardings(leaf, mesh)

        @jax.custom_vjp
        def whole(x: Array) -> Array:
            x = lax.with_sharding_constraint(x.astype(narrow), own)
            return lax.with_sharding_constraint(x, replicated(mesh))

        def forward(x: Array) -> tuple[Array, None]:
            return whole(x), None

        def backward(_: None, gradient: Array) -> tuple[Array]:
            return (lax.with_sharding_constraint(gradient, own).astype(leaf.dtype),)

        whole.defvjp(forward, backward)
        return whole(leaf)

    return lambda tree: jax.tree_util.tree_map_with_path(gather, tree)
