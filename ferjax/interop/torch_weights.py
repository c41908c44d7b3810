"""Conversion between PyTorch's state dicts and ferjax's variables; torch itself is not needed.

Every number stays unchanged, so that a round trip is exact. `ferjax.interop.torch_networks` has the names.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from ferjax import models
from ferjax.errors import UserError
from ferjax.interop.name_tables import BATCH_NORM, COUNTER, Leaf, Network
from ferjax.interop.torch_networks import network as network_of

HEADS = ("strict", "fit", "new")
_WRAPPERS = ("model_state_dict", "state_dict")  # where training scripts put the state dict in a file
_PARALLEL = "module."  # DataParallel puts it before every name
_COLLECTIONS = ("params", "batch_stats")


class _Weight(NamedTuple):
    """One array of a model: its layer's kind, its Flax path, and its shape on both sides."""

    leaf: Leaf
    path: str
    flax_shape: tuple[int, ...]
    torch_shape: tuple[int, ...]


def import_state_dict(
    name: str,
    state_dict: Mapping[str, Any],
    *,
    num_classes: int | None = None,
    head: str = "strict",
    **options: Any,
) -> dict[str, Any]:
    """Turns a PyTorch state dict into a network's variables.

    Args:
        name: one of `ferjax.models.names()`.
        state_dict: PyTorch names to arrays: NumPy's or whatever `np.asarray` takes, such as tensors on the
            CPU. It may lie under `model_state_dict` or `state_dict`, and every name may begin with `module.`.
            Batch counters are not needed and not kept.
        num_classes: how many classes the network has; None: as many as the state dict's classifier.
        head: `strict`: the classifier must fit too. `fit`: it is left out of the result, to be initialised
            anew, if its number of classes differs. `new`: it is left out whatever its size.
        **options: the network's, as for `ferjax.models.create`.

    Returns:
        `{"params": …, "batch_stats": …}` of NumPy arrays that share no memory with `state_dict`; float32, or
        float64 where the state dict has that.

    Raises:
        UserError: names are missing or unknown or shapes are wrong, all in one message; an array is not one
            of floating-point numbers.
    """
    network = network_of(name)
    if head not in HEADS:
        raise UserError(f"head is {head!r}; it takes {', '.join(HEADS)}")
    given = _bare(state_dict)
    classifier = f"{network.head}.weight"
    if num_classes is None:
        num_classes = _leading(given.get(classifier))
    if head == "fit":
        head = "strict" if _leading(given.get(classifier)) in (None, num_classes) else "new"
    weights = _weights(name, network, num_classes, options)
    counters = {f"{row.torch}.{COUNTER}" for row in network.rows if row.kind is BATCH_NORM}
    given = {key: value for key, value in given.items() if key not in counters}
    if head == "new":
        weights, given = _without(network.head, weights), _without(network.head, given)

    shapes = {key: tuple(np.shape(value)) if key in weights else () for key, value in given.items()}
    hint = ""
    if classifier in weights and classifier in shapes and _leading(given[classifier]) != num_classes:
        hint = (
            f"; its classifier has {_leading(given[classifier])} classes, not {num_classes}: pass that "
            "num_classes, or head='fit' to leave the classifier out"
        )
    _check(
        f"the state dict is not that of {name}",
        {key: weight.torch_shape for key, weight in weights.items()},
        shapes,
        hint,
    )
    arrays = _arrays({key: given[key] for key in weights})
    flat = {weight.path: _contiguous(weight.leaf.to_flax(arrays[key])) for key, weight in weights.items()}
    return {**{key: {} for key in _COLLECTIONS}, **unflatten_dict(flat, sep="/")}


def export_state_dict(
    name: str,
    variables: Mapping[str, Any],
    *,
    num_batches_tracked: int = 0,
    image_size: int | None = None,
    **options: Any,
) -> dict[str, np.ndarray]:
    """Turns a network's variables into a PyTorch state dict, in PyTorch's order.

    `module.load_state_dict({k: torch.from_numpy(v) for k, v in exported.items()})` takes it, strictly.

    Args:
        name: one of `ferjax.models.names()`.
        variables: `{"params": …, "batch_stats": …}`, arrays of NumPy or jax; other collections are ignored.
        num_batches_tracked: value of the counters of batch normalisation; PyTorch reads them only where its
            momentum is None.
        image_size: pixels, where linear layers depend on them; the size in the network's table if None.
        **options: the network's, as for `ferjax.models.create`; the number of classes is the variables'.

    Returns:
        PyTorch names to arrays that share no memory with `variables`; float32, or float64 where the
        variables are; the counters int64 `[]`.

    Raises:
        UserError: as `import_state_dict`.
    """
    network = network_of(name)
    flat: dict[str, Any] = flatten_dict({key: variables.get(key, {}) for key in _COLLECTIONS}, sep="/")
    layer = next(row.flax for row in network.rows if row.torch == network.head)
    if image_size:
        network = network._replace(image_size=image_size)
    weights = _weights(name, network, _leading(flat.get(f"params/{layer}/bias")), options)
    _check(
        f"the variables are not those of {name}",
        {weight.path: weight.flax_shape for weight in weights.values()},
        {path: tuple(np.shape(value)) for path, value in flat.items()},
    )
    arrays = _arrays(flat)
    exported: dict[str, np.ndarray] = {}
    for row in network.rows:
        for leaf in row.kind:
            if weight := weights.get(key := row.torch_key(leaf)):
                exported[key] = _contiguous(leaf.to_torch(arrays[weight.path]))
        if row.kind is BATCH_NORM and row.torch_key(row.kind[0]) in exported:
            exported[f"{row.torch}.{COUNTER}"] = np.array(num_batches_tracked, np.int64)
    return exported


def _weights(
    name: str, network: Network, num_classes: int | None, options: Mapping[str, Any]
) -> dict[str, _Weight]:
    """Describes every array of a model by its PyTorch name, in PyTorch's order; nothing is computed."""
    classes = {} if num_classes is None else {"num_classes": num_classes}
    model = models.create(name, **classes, **options)
    images = jax.ShapeDtypeStruct((1, network.image_size, network.image_size, 3), jnp.float32)
    variables = jax.eval_shape(partial(model.init, train=False), jax.random.key(0), images)
    kept = {key: variables[key] for key in _COLLECTIONS if key in variables}  # not what a network sows
    leaves = jax.tree_util.tree_leaves_with_path(kept)
    shapes = {jax.tree_util.keystr(path, simple=True, separator="/"): leaf.shape for path, leaf in leaves}
    weights = {}
    for row in network.rows:
        for leaf in row.kind:
            path = row.path(leaf)
            if path in shapes:
                shape = shapes.pop(path)
                # A broadcast scalar has the shape without the memory.
                torch_shape = leaf.to_torch(np.broadcast_to(np.float32(0), shape)).shape
                weights[row.torch_key(leaf)] = _Weight(leaf, path, shape, torch_shape)
    if shapes:
        raise LookupError(f"the table of {name} has no row for {', '.join(shapes)}")
    return weights


def _bare(state_dict: Mapping[str, Any]) -> dict[str, Any]:
    """Takes names and arrays out of a training script's wrapper, without `module.`."""
    for wrapper in _WRAPPERS:
        if isinstance(state_dict, Mapping) and isinstance(state_dict.get(wrapper), Mapping):
            state_dict = state_dict[wrapper]
    if not isinstance(state_dict, Mapping) or not all(isinstance(key, str) for key in state_dict):
        raise UserError(
            f"a state dict maps names to arrays, which this {type(state_dict).__name__} does not: pass "
            "model.state_dict() or what torch.load gives for its file"
        )
    prefix = _PARALLEL if all(key.startswith(_PARALLEL) for key in state_dict) else ""
    return {key.removeprefix(prefix): value for key, value in state_dict.items()}


def _leading(array: Any) -> int | None:
    """Returns the length of the first axis: the number of classes, for a classifier's weight or bias."""
    shape = np.shape(array)
    return shape[0] if shape else None


def _without(layer: str, entries: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entries.items() if not key.startswith(f"{layer}.")}


def _check(
    problem: str, expected: dict[str, tuple[int, ...]], given: dict[str, tuple[int, ...]], hint: str = ""
) -> None:
    """Raises one error with everything that is missing, unknown or of another shape."""
    wrong = [
        f"{key} is {list(given[key])}, not {list(shape)}"
        for key, shape in expected.items()
        if given.get(key, shape) != shape
    ]
    groups = {
        "missing": [key for key in expected if key not in given],
        "unknown": [key for key in given if key not in expected],
        "wrong shapes": wrong,
    }
    parts = [f"{len(group)} {title}: {', '.join(group)}" for title, group in groups.items() if group]
    if parts:
        raise UserError(f"{problem}: {'; '.join(parts)}{hint}")


def _arrays(values: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Converts values to NumPy arrays of at least float32."""
    arrays, bad = {}, []
    for key, value in values.items():
        try:
            array = np.asarray(value)
        except (TypeError, RuntimeError) as error:  # bfloat16, another device, or gradients recorded
            bad.append(f"{key} ({error})")
            continue
        if jnp.issubdtype(array.dtype, jnp.floating):
            arrays[key] = array.astype(np.promote_types(array.dtype, np.float32), copy=False)
        else:
            bad.append(f"{key} (it is {array.dtype})")
    if bad:
        raise UserError(f"not arrays of floating-point numbers on the CPU: {', '.join(bad)}")
    return arrays


def _contiguous(array: np.ndarray) -> np.ndarray:
    """Copies an array: neither side's training may change the other's weights."""
    return np.array(array, order="C")
