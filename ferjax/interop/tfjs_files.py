"""Reads networks of TensorFlow.js: a JSON file, and the arrays' bytes in binary files beside it.

Two kinds: a graph model, whose JSON has the operations too, and a bare list of arrays, the weights manifest.
"""

import base64
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.errors import UserError
from ferjax.files import read_json
from ferjax.interop.layer_graph import DoesNotFitError, Graph, Operation, image_shape

_LARGEST = 1 << 28  # bytes of a file
_KINDS = {"Relu": "relu", "MaxPool": "max_pool", "AddV2": "add", "Add": "add", "Mean": "mean"}
_KINDS |= {"Softmax": "softmax", "Identity": "same", "Placeholder": "input"}


def read_tfjs(path: Path) -> Graph | dict[str, np.ndarray]:
    """Reads the JSON file and the binary files that it names.

    Returns:
        The graph, or the arrays by name if the file has no graph.

    Raises:
        UserError: a file is missing or damaged, or is no network of TensorFlow.js.
        DoesNotFitError: it holds operations that none of ferjax's networks has.
    """
    _check_size(path)
    content = read_json(path)
    try:
        if isinstance(content, list):
            return _arrays(path, content)
        arrays = _arrays(path, content["weightsManifest"])
        if content.get("format", "graph-model") != "graph-model":
            raise DoesNotFitError(f"it is a {str(content['format'])[:40]} and not a graph model")
        return _graph(content["modelTopology"]["node"], arrays)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        if isinstance(error, DoesNotFitError):
            raise
        raise UserError(
            f"{path} is no network of TensorFlow.js, or a damaged one; name the JSON file that lies beside "
            "the .bin"
        ) from error


def _check_size(path: Path) -> None:
    if path.stat().st_size > _LARGEST:
        raise UserError(f"{path} is larger than any network that import-keras knows")


def _arrays(path: Path, manifest: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Reads the arrays of a manifest: float32, or in fewer bits with a scale and a smallest value."""
    arrays: dict[str, np.ndarray] = {}
    for group in manifest:
        data, start = b"".join(_bytes(path, name) for name in group["paths"]), 0
        for entry in group["weights"]:
            packed = entry.get("quantization", {})
            stored = np.dtype(packed.get("dtype", entry["dtype"]))
            if stored.kind not in "fiu" or not all(
                isinstance(side, int) and side >= 0 for side in entry["shape"]
            ):
                raise ValueError(entry)
            count = math.prod(entry["shape"])
            if (end := start + count * stored.itemsize) > len(data):
                raise UserError(f"the files of {path} end before the array {str(entry['name'])[:60]}")
            values = np.frombuffer(data[start:end], stored.newbyteorder("<")).reshape(entry["shape"])
            if "scale" in packed:
                values = values.astype(np.float64) * packed["scale"] + packed["min"]
            arrays[entry["name"]] = values.astype(np.dtype(entry["dtype"]))
            start = end
        if start != len(data):
            raise UserError(f"the files of {path} are longer than the arrays that it lists")
    return arrays


def _bytes(path: Path, name: str) -> bytes:
    """Reads a file that the JSON file names; it must lie in the same folder."""
    place = path.parent / name
    if Path(name).name != name or not place.is_file():
        raise UserError(f"{path} names the file {name[:80]!r}, which is not beside it")
    _check_size(place)
    return place.read_bytes()


def _graph(nodes: list[dict[str, Any]], arrays: Mapping[str, np.ndarray]) -> Graph:
    operations: dict[str, Operation] = {}
    shape: list[int] = []
    for node in nodes:
        name, kind, attributes = node["name"], node["op"], node.get("attr", {})
        if kind == "Const":
            continue
        inputs = tuple(source.partition(":")[0] for source in node.get("input", ()))
        if kind == "Placeholder":
            shape = [int(side["size"]) for side in attributes["shape"]["shape"]["dim"][1:]]
        settings = _settings(attributes)
        if kind in ("_FusedConv2D", "Conv2D"):
            after = [_text(text) for text in attributes.get("fused_ops", {}).get("list", {}).get("s", ())]
            if after not in ([], ["BiasAdd"], ["BiasAdd", "Relu"]):
                raise DoesNotFitError(f"a convolution has {after} fused")
            own: dict[str, np.ndarray] = dict(
                zip(("kernel", "bias"), (arrays[source] for source in inputs[1:]), strict=False)
            )
            inner = f"{name}/conv" if "Relu" in after else name
            operations[inner] = Operation("conv", inputs[:1], own, settings)
            if "Relu" in after:
                operations[name] = Operation("relu", (inner,))
        elif kind == "DepthwiseConv2dNative":
            operations[name] = Operation("depthwise", inputs[:1], {"kernel": arrays[inputs[1]]}, settings)
        elif kind in _KINDS:
            read = tuple(source for source in inputs if source not in arrays)
            operations[name] = Operation(_KINDS[kind], read, {}, settings)
        else:
            raise DoesNotFitError(f"it has an operation {str(kind)[:40]}")
    return Graph(operations, nodes[-1]["name"], image_shape(shape))


def _settings(attributes: Mapping[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    if "padding" in attributes:
        settings["padding"] = _text(attributes["padding"]["s"]).lower()
    for ours, theirs in (("stride", "strides"), ("size", "ksize")):
        if theirs in attributes:
            sides = {int(side) for side in attributes[theirs]["list"]["i"][1:3]}
            if len(sides) != 1:
                raise DoesNotFitError("a window or step is not square")
            settings[ours] = sides.pop()
    if attributes.get("data_format", {}).get("s", "TkhXQw==") != "TkhXQw==":
        raise DoesNotFitError("an operation has its channels first")
    return settings


def _text(encoded: str) -> str:
    return base64.b64decode(encoded).decode()
