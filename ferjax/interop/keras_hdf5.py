"""Reads a network that Keras 1 or 2 saved as HDF5 (`model.save("….h5")`); none of its code is run.

The file holds the layers as JSON in the attribute `model_config`, and each layer's arrays in a group of
`model_weights`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.errors import UserError, foreign
from ferjax.interop.layer_graph import DoesNotFitError, Graph, Operation, image_shape

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_LARGEST = 1 << 28  # bytes of a file; the networks that ferjax imports have one or two million
# Keras's names of a layer's arrays → ours.
_ARRAYS = {
    "kernel": "kernel",
    "bias": "bias",
    "depthwise_kernel": "depthwise",
    "pointwise_kernel": "pointwise",
    "gamma": "scale",
    "beta": "bias",
    "moving_mean": "mean",
    "moving_variance": "var",
}
_PLAIN = {
    "MaxPooling2D": "max_pool",
    "Add": "add",
    "GlobalAveragePooling2D": "mean",
    "Dropout": "same",
    "ReLU": "relu",
    "Softmax": "softmax",
}


def read_hdf5(path: Path) -> Graph:
    """Reads the file.

    Raises:
        UserError: h5py is not installed, or the file is damaged or holds no network.
        DoesNotFitError: it holds layers that none of ferjax's networks has.
    """
    try:
        import h5py  # pyright: ignore[reportMissingImports]  (an extra)
    except ImportError as error:
        raise UserError(f"reading {path} needs the package h5py: pip install 'ferjax[keras]'") from error
    if path.stat().st_size > _LARGEST:
        raise UserError(f"{path} is larger than any network that import-keras knows")
    try:
        with h5py.File(path, "r") as file:
            if "model_config" not in file.attrs:
                raise UserError(
                    f"{path} holds weights without the network's layers: save it with model.save, not with "
                    "save_weights"
                )
            config: Any = file.attrs["model_config"]
            layers = json.loads(config)["config"]["layers"]
            group = file["model_weights"]
            return _graph(layers, {layer["name"]: _arrays(h5py, group, layer["name"]) for layer in layers})
    except (UserError, DoesNotFitError):
        raise
    except Exception as error:  # h5py and a damaged file raise anything
        what = foreign(error, 120)
        raise UserError(f"{path} is damaged, or not a network that Keras 2 saved ({what})") from error


def _arrays(h5py: Any, weights: Any, layer: str) -> dict[str, np.ndarray]:
    """Reads a layer's arrays by our names; a link out of the file is not followed."""
    if layer not in weights:
        return {}
    arrays = {}
    for name in weights[layer].attrs.get("weight_names", ()):
        name = name.decode() if isinstance(name, bytes) else name
        place = f"{layer}/{name}"
        if not _is_own(h5py, weights, place):
            raise DoesNotFitError(f"the array {name[:60]} does not lie in the file")
        stored = weights[place]
        key = _ARRAYS.get(name.rpartition("/")[2].partition(":")[0])
        if key is None or stored.dtype.kind != "f":
            raise DoesNotFitError(f"the layer {layer[:60]} has an array {name[:60]} of {stored.dtype}")
        arrays[key] = stored[()]
    return arrays


def _is_own(h5py: Any, group: Any, path: str) -> bool:
    """Checks that a path leads by hard links alone to an array that is stored in this file."""
    for part in path.split("/"):
        if not isinstance(group.get(part, getlink=True), h5py.HardLink):
            return False
        group = group[part]
    return isinstance(group, h5py.Dataset) and not (group.external or group.is_virtual)


def _graph(layers: list[dict[str, Any]], arrays: Mapping[str, dict[str, np.ndarray]]) -> Graph:
    operations: dict[str, Operation] = {}
    shape: list[Any] = []
    for layer in layers:
        name, config = layer["name"], layer["config"]
        inputs = tuple(parent[0] for node in layer["inbound_nodes"] for parent in node)
        if config.get("data_format", "channels_last") != "channels_last":
            raise DoesNotFitError(f"the layer {name[:60]} has its channels first")
        if layer["class_name"] == "InputLayer":
            shape = config["batch_input_shape"][1:]
            operations[name] = Operation("input", ())
        else:
            operations |= _operations(layer["class_name"], name, inputs, config, arrays[name])
    return Graph(operations, layers[-1]["name"], image_shape(shape))


def _operations(
    kind: str, name: str, inputs: tuple[str, ...], config: dict[str, Any], arrays: dict[str, np.ndarray]
) -> dict[str, Operation]:
    """Turns a layer into one operation, or a separable convolution into two."""
    settings: dict[str, Any] = {"padding": config.get("padding")}
    if "strides" in config:
        settings["stride"] = _one(config["strides"])
    if kind == "MaxPooling2D":
        settings["size"] = _one(config["pool_size"])
    if kind in ("Conv2D", "SeparableConv2D"):
        if config.get("activation", "linear") != "linear" or _one(config.get("dilation_rate", 1)) != 1:
            raise DoesNotFitError(f"the layer {name[:60]} has an activation or a dilation of its own")
        if kind == "Conv2D":
            return {name: Operation("conv", inputs, arrays, settings)}
        depthwise, pointwise = arrays.pop("depthwise"), arrays.pop("pointwise")
        inner = f"{name}/depthwise"
        return {
            inner: Operation("depthwise", inputs, {"kernel": depthwise}, settings),
            name: Operation("conv", (inner,), {"kernel": pointwise, **arrays}, {**settings, "stride": 1}),
        }
    if kind == "BatchNormalization":
        return {name: Operation("batch_norm", inputs, arrays, {"epsilon": config["epsilon"]})}
    if kind == "Activation":
        kind = {"relu": "ReLU", "softmax": "Softmax"}.get(config["activation"], str(config["activation"]))
    if kind not in _PLAIN:
        raise DoesNotFitError(f"the layer {name[:60]} is a {kind[:60]}")
    return {name: Operation(_PLAIN[kind], inputs, {}, settings)}


def _one(sides: Any) -> int:
    """Returns the number that both axes have."""
    pair = {sides} if isinstance(sides, int) else set(sides)
    if len(pair) != 1:
        raise DoesNotFitError(f"a window or step of {sides} is not square")
    return pair.pop()
