"""Whole masked auto-encoders under facebookresearch/mae's names, encoder and decoder, to pre-train further.

For fine-tuning, the encoder alone is read as a vision transformer's, see `ferjax.interop.torch_names.vit`.
"""

import logging
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import unflatten_dict

from ferjax.errors import UserError
from ferjax.interop.differences import compare
from ferjax.interop.floating_arrays import floating_arrays
from ferjax.interop.name_tables import CONV, LAYER_NORM, LINEAR, Leaf, Row, vector
from ferjax.interop.state_dict_places import is_array, places, readings
from ferjax.interop.torch_names.vit import block_rows
from ferjax.models.mae import MaskedAutoencoder
from ferjax.runs.finite import check_finite
from ferjax.training.paths import by_path

logger = logging.getLogger(__name__)

_OWN = tuple(
    vector(name, name) for name in ("cls_token", "reg_token", "pos_embed", "mask_token", "decoder_pos_embed")
)


def import_mae(model: MaskedAutoencoder, state_dict: Any, image_size: int) -> dict[str, Any]:
    """Turns a state dict into an auto-encoder's variables.

    Args:
        model: the auto-encoder.
        state_dict: PyTorch names to arrays. It may lie under any key, such as `model` in the authors' files,
            and a prefix such as `module.` may stand before the names.
        image_size: pixels, both sides.

    Returns:
        `{"params": …}` of NumPy arrays, float32, or float64 where the state dict has that.

    Raises:
        UserError: names are missing or unknown or shapes are wrong; an array is not one of floating-point
            numbers, or holds NaN or infinity.
    """
    wanted = _leaves(model, image_size)
    entries = _entries(state_dict, wanted)
    shapes = {name: _torch_shape(leaf, shape) for name, (leaf, _, shape) in wanted.items()}
    difference = compare(shapes, {name: tuple(np.shape(value)) for name, value in entries.items()})
    if any(difference):
        raise UserError(
            difference.words("the state dict is not of this auto-encoder, encoder and decoder: ")
            + "; an encoder alone is imported by python -m ferjax torch-import, whose folder init.from takes"
        )
    arrays = floating_arrays(entries)
    check_finite(arrays, "the state dict")
    flat = {path: np.array(leaf.to_flax(arrays[name]), order="C") for name, (leaf, path, _) in wanted.items()}
    return {"params": unflatten_dict(flat, sep="/")}


def export_mae(model: MaskedAutoencoder, params: Mapping[str, Any], image_size: int) -> dict[str, np.ndarray]:
    """Turns an auto-encoder's parameters into a state dict, the inverse of `import_mae`."""
    flat = by_path(params)
    return {
        name: np.array(leaf.to_torch(np.asarray(flat[path])), order="C")
        for name, (leaf, path, _) in _leaves(model, image_size).items()
    }


def _entries(content: Any, wanted: Collection[str]) -> dict[str, Any]:
    """Finds the arrays of the dictionary, and of its reading, that have most of the wanted names."""
    found = [
        reading
        for place in (places(content) if isinstance(content, Mapping | list | tuple) else ())
        for reading in readings(place, wanted)
    ]
    if not found:
        raise UserError("it holds no state dict, names and arrays")
    best = max(found, key=lambda reading: sum(name in reading.entries for name in wanted))
    if best.words:
        logger.info("the state dict is taken %s", best.words)
    return {name: value for name, value in best.entries.items() if is_array(value)}


def _leaves(model: MaskedAutoencoder, image_size: int) -> dict[str, tuple[Leaf, str, tuple[int, ...]]]:
    """Returns each array's layout, path and shape here, by its PyTorch name."""
    images = jax.ShapeDtypeStruct((1, image_size, image_size, 3), jnp.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), images)
    shapes = {path: leaf.shape for path, leaf in by_path(variables["params"]).items()}
    return {
        row.torch_key(leaf): (leaf, path, shapes[path])
        for row in _rows(model)
        for leaf in row.kind
        if (path := row.path(leaf).removeprefix("params/")) in shapes
    }


def _rows(model: MaskedAutoencoder) -> Iterator[Row]:
    yield Row("", "", _OWN)
    yield Row("patch_embed.proj", "patch_embed/proj", CONV)
    yield Row("norm_pre", "norm_pre", LAYER_NORM)
    for block in range(model.depth):
        yield from block_rows(f"blocks.{block}", f"blocks_{block}")
    yield Row("norm", "norm", LAYER_NORM)
    yield Row("decoder_embed", "decoder_embed", LINEAR)
    for block in range(model.decoder_depth):
        yield from block_rows(f"decoder_blocks.{block}", f"decoder_blocks_{block}")
    yield Row("decoder_norm", "decoder_norm", LAYER_NORM)
    yield Row("decoder_pred", "decoder_pred", LINEAR)


def _torch_shape(leaf: Leaf, shape: tuple[int, ...]) -> tuple[int, ...]:
    return leaf.to_torch(np.broadcast_to(np.float32(0), shape)).shape
