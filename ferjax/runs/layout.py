"""The names and shapes of a state's arrays: whether a checkpoint fits the network that goes on from it."""

import json
import zlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

Layout = Mapping[str, tuple[int, ...]]


def layout(tree: Any) -> dict[str, tuple[int, ...]]:
    """Returns name → shape of every array; the names are those that Orbax stores.

    >>> layout({"params": {"fc": {"bias": jax.ShapeDtypeStruct((7,), "float32")}}})
    {'params.fc.bias': (7,)}

    Args:
        tree: arrays, `ShapeDtypeStruct`s, or the metadata of stored arrays. Typed keys count as their data.
    """

    def shape(leaf: Any) -> tuple[int, ...]:
        if hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jax.eval_shape(jax.random.key_data, leaf).shape
        return tuple(leaf.shape)

    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {jax.tree_util.keystr(path, simple=True, separator="."): shape(leaf) for path, leaf in leaves}


def digest(names: Layout) -> int:
    """Returns a checksum of names and shapes."""
    return zlib.crc32(json.dumps(sorted((name, list(shape)) for name, shape in names.items())).encode())


def differences(stored: Layout, now: Layout) -> list[str]:
    """Describes each array that differs, one text each; weights before what is derived from them.

    >>> differences({"params.fc.bias": (7,)}, {"params.fc.bias": (6,), "ema.params.fc.bias": (6,)})
    ['params.fc.bias was 7, is 6', 'ema.params.fc.bias was absent, is 6']
    """
    names = sorted(stored.keys() | now.keys(), key=lambda name: (not name.startswith("params."), name))
    return [
        f"{name} was {_text(stored.get(name))}, is {_text(now.get(name))}"
        for name in names
        if stored.get(name) != now.get(name)
    ]


def _text(shape: tuple[int, ...] | None) -> str:
    if shape is None:
        return "absent"
    return "×".join(map(str, shape)) or "a number"
