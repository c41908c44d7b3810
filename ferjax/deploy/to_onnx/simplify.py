"""Joins neighbouring nodes that one node computes as well: normalisation, padding and pooling.

onnxruntime joins some of them by itself. A quantised file needs convolutions whose batch normalisation is
part of the weights, and other runtimes gain as much.
"""

from collections import Counter
from typing import Any

import numpy as np
from onnx import NodeProto, helper

from ferjax.deploy.to_onnx.graph import Graph


def simplify(graph: Graph) -> None:
    """Joins nodes in place, and removes those that nothing reads."""
    maker: dict[str, NodeProto] = {}
    uses = Counter(name for node in graph.nodes for name in node.input)
    kept: list[NodeProto] = []
    for node in graph.nodes:
        before = next((maker[name] for name in node.input if name in maker and uses[name] == 1), None)
        joined = before is not None and any(rule(graph, before, node) for rule in _RULES)
        if joined and before is not None:
            del maker[before.output[0]]
            before.output[0] = node.output[0]
            maker[before.output[0]] = before
        else:
            kept.append(node)
            maker[node.output[0]] = node
    graph.nodes[:] = _read(kept)


def _read(nodes: list[NodeProto]) -> list[NodeProto]:
    """Returns the nodes that lead to a result: an Identity."""
    wanted: set[str] = set()
    kept = []
    for node in reversed(nodes):
        if node.op_type == "Identity" or node.output[0] in wanted:
            kept.append(node)
            wanted.update(node.input)
    return kept[::-1]


def _normalise(graph: Graph, before: NodeProto, node: NodeProto) -> bool:
    """Puts a sum with, or a product by, a constant for each channel into a convolution's weights."""
    if before.op_type != "Conv" or node.op_type not in ("Add", "Sub", "Mul", "Div"):
        return False
    place = list(node.input).index(before.output[0])
    other = graph.constants.get(node.input[1 - place])
    if other is None or (place == 1 and node.op_type in ("Sub", "Div")):
        return False
    kernel = graph.constants.get(before.input[1])
    if kernel is None or (other.size > 1 and other.shape != (1, len(kernel), 1, 1)):
        return False
    change = np.broadcast_to(other.astype(np.float64).reshape(-1), len(kernel))
    biased = len(before.input) > 2
    bias = graph.constants[before.input[2]] if biased else np.zeros(len(kernel))
    wide = kernel.astype(np.float64)
    if node.op_type in ("Mul", "Div"):
        factor = change if node.op_type == "Mul" else 1 / change
        wide, bias = wide * factor.reshape(-1, 1, 1, 1), bias * factor
        before.input[1] = graph.array(wide.astype(kernel.dtype))
    else:
        bias = bias + (change if node.op_type == "Add" else -change)
    if biased or bias.any():
        name = graph.array(bias.astype(kernel.dtype))
        del before.input[2:]
        before.input.append(name)
    return True


def _pad(graph: Graph, before: NodeProto, node: NodeProto) -> bool:
    """Lets a convolution or a pooling pad by itself."""
    if before.op_type != "Pad" or node.op_type not in ("Conv", "MaxPool"):
        return False
    pads, filling = (graph.constants.get(name) for name in before.input[1:3])
    expected = 0 if node.op_type == "Conv" else -np.inf
    if pads is None or filling is None or filling != expected:
        return False
    starts, stops = np.split(pads, 2)
    if starts[:2].any() or stops[:2].any():
        return False
    attributes = _attributes(node)
    more = np.concatenate([starts[2:], stops[2:]])
    attributes["pads"] = (np.asarray(attributes["pads"]) + more).tolist()
    if node.op_type == "MaxPool" and (np.asarray(attributes["kernel_shape"] * 2) <= attributes["pads"]).any():
        return False
    _replace(before, node.op_type, [before.input[0], *node.input[1:]], attributes)
    return True


def _pool(graph: Graph, before: NodeProto, node: NodeProto) -> bool:
    """Takes the largest of rows and of columns at once."""
    if before.op_type != "MaxPool" or node.op_type != "MaxPool":
        return False
    first, second = _attributes(before), _attributes(node)
    if any(min(sides) > 1 for sides in zip(first["kernel_shape"], second["kernel_shape"], strict=True)):
        return False
    attributes = {
        key: np.multiply(first[key], second[key]).tolist() for key in ("kernel_shape", "strides")
    } | {"pads": np.add(first["pads"], second["pads"]).tolist()}
    _replace(before, "MaxPool", list(before.input), attributes)
    return True


_RULES = (_normalise, _pad, _pool)


def _attributes(node: NodeProto) -> dict[str, Any]:
    return {one.name: helper.get_attribute_value(one) for one in node.attribute}


def _replace(node: NodeProto, operation: str, inputs: list[str], attributes: dict[str, Any]) -> None:
    node.CopyFrom(helper.make_node(operation, inputs, [node.output[0]], **attributes))
