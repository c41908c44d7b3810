"""A checksum over a tree of arrays: any change of an element changes it."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

_WORDS = {1: jnp.uint8, 2: jnp.uint16, 4: jnp.uint32, 8: jnp.uint32}
_PRIME = 16777619


@jax.jit
def _of_array(x: Array) -> Array:
    if jnp.issubdtype(x.dtype, jnp.bool_):
        x = x.astype(jnp.uint8)
    words = lax.bitcast_convert_type(x, _WORDS[x.dtype.itemsize]).astype(jnp.uint32)
    # From the first axis on, because sums over the last one are slow on a CPU.
    while words.ndim:
        weights = 2 * jnp.arange(words.shape[0], dtype=jnp.uint32) + 1
        words = (words * weights.reshape(-1, *[1] * (words.ndim - 1))).sum(0, dtype=jnp.uint32)
    return words


def _of_numpy(x: np.ndarray) -> np.uint32:
    """Computes the sum of a NumPy array without compiling anything, which would take seconds."""
    x = np.ascontiguousarray(x, jax.dtypes.canonicalize_dtype(x.dtype)).reshape(x.shape)
    bits = np.dtype(_WORDS[x.dtype.itemsize])
    words = x[..., None].view(bits) if x.dtype.itemsize == 8 else x.view(bits)
    words = words.astype(np.uint32, copy=False)
    while words.ndim:
        weights = 2 * np.arange(words.shape[0], dtype=np.uint32) + 1
        words = np.einsum("i,i...->...", weights, words)
    return np.uint32(words)


def checksum(tree: Any) -> int:
    """Returns a weighted sum of all bits, in [0, 2³²); the layout of the arrays on devices does not matter.

    The weights are odd, so a change in one element always shows; other changes go unnoticed once in 2³²
    times. It is computed where the arrays are: 0.15 s for 640 MB on two CPU cores.

    Args:
        tree: arrays and typed keys. In a run of several processes each of them must call this.
    """
    leaves = [
        jax.random.key_data(leaf) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else leaf
        for leaf in jax.tree.leaves(tree)
    ]
    total = 0
    parts = [_of_numpy(leaf) if isinstance(leaf, np.ndarray) else _of_array(leaf) for leaf in leaves]
    for part in parts:  # all are queued before the first is waited for
        total = (total * _PRIME + int(part)) % 2**32
    return total
