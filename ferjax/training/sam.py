"""Sharpness-aware minimisation: the gradient is taken where the loss nearby is highest."""

from typing import Any

import jax
import jax.numpy as jnp
import optax


def ascended(params: Any, gradients: Any, rho: float) -> Any:
    """Moves parameters by a step of length ρ up the gradient: w + ρ · g / ‖g‖.

    The norm is that of all gradients together; where it is zero, also because the squares are too small for
    their type, nothing moves.

    Args:
        params: a tree of float arrays.
        gradients: of the same structure, of the whole batch.
        rho: ρ > 0.

    References:
        Foret et al., Sharpness-aware minimization for efficiently improving generalization, ICLR 2021,
        equation 2 with p = 2.
    """
    norm = optax.tree.norm(gradients)
    scale = jnp.where(norm > 0, rho / norm, 0)
    return jax.tree.map(lambda w, g: w + scale.astype(w.dtype) * g, params, gradients)
