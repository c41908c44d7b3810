"""Conversion between PyTorch's state dicts and ferjax's variables; torch itself is not needed.

Every number stays unchanged, so that a round trip is exact. `ferjax.interop.torch_networks` has the names.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from ferjax.errors import UserError
from ferjax.interop import state_dict_fit
from ferjax.interop.differences import compare
from ferjax.interop.floating_arrays import floating_arrays
from ferjax.interop.image_sizes import size_shown
from ferjax.interop.name_tables import BATCH_NORM, COUNTER
from ferjax.interop.network_arrays import COLLECTIONS, Weight, arrays_of
from ferjax.interop.state_dict_fit import HEADS
from ferjax.interop.torch_networks import network as network_of
from ferjax.runs.finite import check_finite
from ferjax.training.affect import NAME as AFFECT
from ferjax.training.affect import Head, joined


def import_state_dict(
    name: str,
    state_dict: Any,
    *,
    num_classes: int | None = None,
    head: str = "strict",
    image_size: int | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Turns a PyTorch state dict into a network's variables.

    Args:
        name: one of `ferjax.models.names()`.
        state_dict: PyTorch names to arrays: NumPy's or whatever `np.asarray` takes, such as tensors on the
            CPU. It may lie in a training script's dictionary under any key, and prefixes such as `module.`,
            `_orig_mod.` or `model.` may stand before some or all names: if exactly one reading fits the
            network it is taken, and a message says which. Batch counters are not needed and not kept.
        num_classes: how many classes the network has; None: as many as the state dict's classifier.
        head: `strict`: the classifier must fit too. `fit`: it is left out of the result, to be initialised
            anew, if its number of classes differs. `new`: it is left out whatever its size.
        image_size: pixels, where linear layers depend on them; None: as the arrays' shapes show.
        **options: the network's, as for `ferjax.models.create`.

    Returns:
        `{"params": …, "batch_stats": …}` of NumPy arrays that share no memory with `state_dict`; float32, or
        float64 where the state dict has that.

    Raises:
        UserError: names are missing or unknown or shapes are wrong, the first of each in one message; an
            array is not one of floating-point numbers, or holds NaN or infinity.
    """
    network = network_of(name)
    if head not in HEADS:
        raise UserError(f"head is {head!r}; it takes {', '.join(HEADS)}")
    if image_size:
        network = network._replace(image_size=image_size)
    wanted = state_dict_fit.Request(name, network, num_classes, head, options, image_size is not None)
    weights, entries = state_dict_fit.find(wanted, state_dict)
    arrays = floating_arrays(entries)
    check_finite(arrays, "the state dict")
    flat = {weight.path: _contiguous(weight.leaf.to_flax(arrays[key])) for key, weight in weights.items()}
    return {**{key: {} for key in COLLECTIONS}, **unflatten_dict(flat, sep="/")}


def export_state_dict(
    name: str,
    variables: Mapping[str, Any],
    *,
    num_batches_tracked: int = 0,
    image_size: int | None = None,
    published: bool = True,
    **options: Any,
) -> dict[str, np.ndarray]:
    """Turns a network's variables into a PyTorch state dict, in PyTorch's order.

    `module.load_state_dict({k: torch.from_numpy(v) for k, v in exported.items()})` takes it, strictly: the
    authors' module, or with `published=False` the counterpart.

    Args:
        name: one of `ferjax.models.names()`.
        variables: `{"params": …, "batch_stats": …}`, arrays of NumPy or jax; other collections are ignored.
            A head for valence and arousal becomes the classifier's last two outputs.
        num_batches_tracked: value of the counters of batch normalisation; PyTorch reads them only where its
            momentum is None.
        image_size: pixels, where linear layers depend on them; None: as the variables' shapes show.
        published: as the authors' files: with layers that their module has and never calls, zeros, and second
            names of layers, and without weights that only the network's own losses read. For most networks
            this is no difference.
        **options: the network's, as for `ferjax.models.create`; the number of classes is the variables'.

    Returns:
        PyTorch names to arrays that share no memory with `variables`; float32, or float64 where the
        variables are; the counters int64 `[]`.

    Raises:
        UserError: as `import_state_dict`.
    """
    network = network_of(name)
    flat: dict[str, Any] = flatten_dict({key: variables.get(key, {}) for key in COLLECTIONS}, sep="/")
    layer = next(row.flax for row in network.rows if row.torch == network.head)
    if AFFECT in variables.get("params", {}):
        joint = joined(variables, Head(layer, np.shape(flat[f"params/{layer}/kernel"])[0]))
        flat = flatten_dict({key: joint.get(key, {}) for key in COLLECTIONS}, sep="/")
    shapes = {path: tuple(np.shape(value)) for path, value in flat.items()}
    kernel = shapes.get(f"params/{layer}/kernel")
    classes = kernel[-1] if kernel else None

    def weights_at(size: int) -> dict[str, Weight]:
        sized = network._replace(image_size=size)
        return arrays_of(name, sized, classes, options)

    weights = weights_at(image_size or network.image_size)
    difference = compare(_flax_shapes(weights), shapes)
    if not image_size and not difference.missing and not difference.unknown:
        has = {path: shape for path, (shape, _) in difference.misshapen.items()}
        if size := size_shown(lambda size: _flax_shapes(weights_at(size)), has, network.image_size):
            weights = weights_at(size)
            difference = compare(_flax_shapes(weights), shapes)
    if any(difference):
        raise UserError(difference.words(f"the variables are not those of {name}: "))
    arrays = floating_arrays(flat)
    exported: dict[str, np.ndarray] = {}
    for row in network.rows:
        if row.loss_only and published:
            continue
        for leaf in row.kind:
            if weight := weights.get(key := row.torch_key(leaf)):
                exported[key] = _contiguous(leaf.to_torch(arrays[weight.path]))
        if row.kind is BATCH_NORM and row.torch_key(row.kind[0]) in exported:
            exported[f"{row.torch}.{COUNTER}"] = np.array(num_batches_tracked, np.int64)
    if not published:
        return exported
    for alias, own in network.aliases:
        same = [key for key in exported if key.startswith(f"{own}.")]
        exported |= {alias + key.removeprefix(own): exported[key].copy() for key in same}
    return exported | (network.idle(classes or 1) if network.idle else {})


def _flax_shapes(weights: Mapping[str, Weight]) -> dict[str, tuple[int, ...]]:
    return {weight.path: weight.flax_shape for weight in weights.values()}


def _contiguous(array: np.ndarray) -> np.ndarray:
    """Copies an array: neither side's training may change the other's weights."""
    return np.array(array, order="C")
