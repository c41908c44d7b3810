"""Reductions of whole axes, and of windows: pooling."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ferjax.deploy.to_onnx.elementwise import apply, scalar
from ferjax.deploy.to_onnx.graph import Graph, Unsupported, Value
from ferjax.deploy.to_onnx.lowerings import lowers

_REDUCTIONS = {
    "reduce_sum": "ReduceSum",
    "reduce_max": "ReduceMax",
    "reduce_min": "ReduceMin",
    "reduce_prod": "ReduceProd",
}


@lowers(*_REDUCTIONS)
def _reduce(graph: Graph, equation: Any, values: Sequence[Value]) -> Value:
    value, axes = values[0], equation.params["axes"]
    if not axes:
        return value
    name = graph.add(
        _REDUCTIONS[equation.primitive.name],
        graph.full(value, value.order),
        graph.integers([value.order.index(axis) for axis in axes]),
        keepdims=0,
    )
    kept = [axis for axis in range(value.rank) if axis not in axes]
    order = tuple(kept.index(axis) for axis in value.order if axis in kept)
    shape = tuple(value.shape[axis] for axis in kept)
    return Value(shape, value.dtype, tuple(shape[axis] for axis in order), order, name)


@lowers("reduce_window", "reduce_window_max", "reduce_window_sum")
def _reduce_window(graph: Graph, equation: Any, values: Sequence[Value]) -> Value:
    params, value = equation.params, values[0]
    operation = _monoid(equation, values)
    if any(step != 1 for key in ("base_dilation", "window_dilation") for step in params[key]):
        raise Unsupported("pooling with gaps")
    window, strides, pads = params["window_dimensions"], params["window_strides"], params["padding"]
    whole = [
        axis for axis in range(value.rank) if (window[axis], *pads[axis]) == (1, 0, 0) and strides[axis] == 1
    ]
    pooled = [axis for axis in range(value.rank) if axis not in whole]
    while len(whole) > 2:  # ONNX pools all axes but two
        pooled.append(whole.pop(1))
    if len(whole) < 2:
        raise Unsupported(f"pooling of {len(pooled)} of {value.rank} axes")
    order = (whole[0], whole[1], *sorted(pooled))
    if value.rank == 4 and value.order[0] == 0 and set(order[2:]) <= set(value.order[2:]):
        order = value.order
    attributes = {
        "kernel_shape": [window[axis] for axis in order[2:]],
        "strides": [strides[axis] for axis in order[2:]],
        "pads": [pads[axis][0] for axis in order[2:]] + [pads[axis][1] for axis in order[2:]],
    }
    shape = tuple(equation.outvars[0].aval.shape)
    stored, source = tuple(shape[axis] for axis in order), graph.full(value, order)
    if operation == "max":
        return Value(shape, value.dtype, stored, order, graph.add("MaxPool", source, **attributes))
    mean = graph.add("AveragePool", source, count_include_pad=1, **attributes)
    averages = Value(shape, value.dtype, stored, order, mean)
    return apply(graph, "Mul", [averages, scalar(math.prod(window), value)], value.dtype)


def _monoid(equation: Any, values: Sequence[Value]) -> str:
    """Tells what a window is reduced by: "max" or "sum"."""
    name = equation.primitive.name.removeprefix("reduce_window").removeprefix("_")
    if name:
        return name
    operations = [inner.primitive.name for inner in equation.params["jaxpr"].eqns]
    start = values[1].array
    if operations == ["max"] and start is not None and start == -np.inf:
        return "max"
    if operations == ["add"] and start is not None and start == 0:
        return "sum"
    raise Unsupported(f"pooling by {', '.join(operations)}")
