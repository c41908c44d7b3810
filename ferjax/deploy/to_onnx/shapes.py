"""Operations that move elements: broadcasting, reshaping, cutting, joining, reversing, padding."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from ferjax.deploy.to_onnx.graph import Graph, Unsupported, Value, identity
from ferjax.deploy.to_onnx.lowerings import lowers


def plain(graph: Graph, value: Value, operation: str, *inputs: str, shape: Any, **attributes: Any) -> Value:
    """Adds a node that reads a value's full tensor in its own order and keeps the order."""
    name = graph.add(operation, graph.full(value, value.order), *inputs, **attributes)
    return dataclasses.replace(
        value, shape=tuple(shape), stored=tuple(shape[axis] for axis in value.order), name=name, array=None
    )


@lowers("broadcast_in_dim")
def _broadcast(graph: Graph, equation: Any, values: Sequence[Value]) -> Value:
    value, shape = values[0], tuple(equation.params["shape"])
    axes = equation.params["broadcast_dimensions"]
    if value.rank == len(shape):
        return dataclasses.replace(value, shape=shape)
    stored: list[Any] = [1] * len(shape)
    for axis, target in enumerate(axes):
        stored[target] = value.stored[value.order.index(axis)]
    order = identity(len(shape))
    if value.array is not None:
        return Value(shape, value.dtype, tuple(stored), order, array=value.array.reshape(stored))
    new = [axis for axis in order if axis not in axes]
    name = graph.add("Unsqueeze", graph.tensor(value), graph.integers(new))
    return Value(shape, value.dtype, tuple(stored), order, name)


@lowers("reshape")
def _reshape(graph: Graph, equation: Any, values: Sequence[Value]) -> Value:
    shape = tuple(equation.params["new_sizes"])
    name = graph.reshape(graph.full(values[0]), shape)
    return Value(shape, values[0].dtype, shape, identity(len(shape)), name)


@lowers("squeeze")
def _squeeze(graph: Graph, equation: Any, values: Sequence[Value]) -> Value:
    return squeeze(graph, values[0], equation.params["dimensions"])


def squeeze(graph: Graph, value: Value, axes: Sequence[int]) -> Value:
    """Removes axes of one element."""
    axes = [axis % value.rank for axis in axes]
    if not axes:
        return value
    kept = [axis for axis in range(value.rank) if axis not in axes]
    tensor = graph.tensor(value, value.order)
    name = graph.add("Squeeze", tensor, graph.integers([value.order.index(axis) for axis in axes]))
    places = [place for place, axis in enumerate(value.order) if axis in kept]
    return Value(
        tuple(value.shape[axis] for axis in kept),
        value.dtype,
        tuple(value.stored[place] for place in places),
        tuple(kept.index(value.order[place]) for place in places),
        name,
    )


@lowers("transpose")
def _transpose(graph: Graph, equation: Any, values: Sequence[Value]) -> Value:
    value, axes = values[0], equation.params["permutation"]
    shape = tuple(value.shape[axis] for axis in axes)
    if value.array is not None:
        array = value.array.transpose(axes)
        return Value(shape, value.dtype, array.shape, identity(value.rank), array=array)
    return dataclasses.replace(value, shape=shape, order=tuple(axes.index(axis) for axis in value.order))


@lowers("slice")
def _slice(graph: Graph, equation: Any, values: Sequence[Value]) -> Value:
    starts, stops = equation.params["start_indices"], equation.params["limit_indices"]
    return cut(graph, values[0], starts, stops, equation.params["strides"])


def cut(
    graph: Graph,
    value: Value,
    starts: Sequence[Any],
    stops: Sequence[Any],
    steps: Sequence[int] | None = None,
) -> Value:
    """Cuts a part out of every axis, as `jax.lax.slice`."""
    steps = steps or [1] * value.rank
    shape, axes = list(value.shape), []
    for axis, (start, stop, step) in enumerate(zip(starts, stops, steps, strict=True)):
        if isinstance(start, int) and start == 0 and stop == value.shape[axis] and step == 1:
            continue
        if not all(isinstance(number, int) for number in (start, stop)):
            raise Unsupported(f"a cut from {start} to {stop}")
        axes.append(axis)
        shape[axis] = -(-(stop - start) // step)
    if not axes:
        return value
    return plain(
        graph,
        value,
        "Slice",
        graph.integers([starts[axis] for axis in axes]),
        graph.integers([stops[axis] for axis in axes]),
        graph.integers([value.order.index(axis) for axis in axes]),
        graph.integers([steps[axis] for axis in axes]),
        shape=shape,
    )


@lowers("dynamic_slice")
def _dynamic_slice(graph: Graph, equation: Any, values: Sequence[Value]) -> Value:
    value, *starts = values
    sizes = equation.params["slice_sizes"]
    if any(start.array is None for start in starts):
        raise Unsupported("a cut at a computed place")
    firsts = [
        max(0, min(int(start.array), size - length)) if isinstance(size, int) else 0
        for start, size, length in zip(starts, value.shape, sizes, strict=True)
        if start.array is not None
    ]
    return cut(graph, value, firsts, [first + size for first, size in zip(firsts, sizes, strict=True)])


@lowers("rev")
def _reverse(graph: Graph, equation: Any, values: Sequence[Value]) -> Value:
    value, axes = values[0], equation.params["dimensions"]
    lowest = np.iinfo(np.int64).min
    return plain(
        graph,
        value,
        "Slice",
        graph.integers([-1] * len(axes)),
        graph.integers([lowest] * len(axes)),
        graph.integers([value.order.index(axis) for axis in axes]),
        graph.integers([-1] * len(axes)),
        shape=value.shape,
    )


@lowers("concatenate")
def _concatenate(graph: Graph, equation: Any, values: Sequence[Value]) -> Value:
    return join(graph, values, equation.params["dimension"], equation.outvars[0].aval.shape)


def join(graph: Graph, values: Sequence[Value], axis: int, shape: Sequence[Any]) -> Value:
    """Concatenates along an axis."""
    order = next((value.order for value in values if value.array is None), identity(len(shape)))
    names = [graph.full(value, order) for value in values]
    name = graph.add("Concat", *names, axis=order.index(axis))
    return Value(tuple(shape), values[0].dtype, tuple(shape[axis] for axis in order), order, name)


@lowers("stack")
def _stack(graph: Graph, equation: Any, values: Sequence[Value]) -> Value:
    axis, shape = equation.params["axis"], equation.outvars[0].aval.shape
    names = [graph.add("Unsqueeze", graph.full(value), graph.integers([axis])) for value in values]
    name = graph.add("Concat", *names, axis=axis)
    return Value(tuple(shape), values[0].dtype, tuple(shape), identity(len(shape)), name)


@lowers("pad")
def _pad(graph: Graph, equation: Any, values: Sequence[Value]) -> Value:
    value, filling = values
    config = equation.params["padding_config"]
    if any(inner for _, _, inner in config):
        raise Unsupported("padding between elements")
    starts = [max(0, -before) for before, _, _ in config]
    stops = [size - max(0, -after) for size, (_, after, _) in zip(value.shape, config, strict=True)]
    value = cut(graph, value, starts, stops)
    pads = [(max(0, before), max(0, after)) for before, after, _ in config]
    if not any(map(any, pads)):
        return value
    ordered = [pads[axis] for axis in value.order]
    return plain(
        graph,
        value,
        "Pad",
        graph.integers([before for before, _ in ordered] + [after for _, after in ordered]),
        graph.full(filling),
        shape=equation.outvars[0].aval.shape,
    )


@lowers("dim_as_value")
def _size(graph: Graph, equation: Any, values: Sequence[Value]) -> Value:
    size = graph.add("Squeeze", graph.size(equation.params["dim"]), graph.integers([0]))
    aval = equation.outvars[0].aval
    if aval.dtype != np.int32:
        raise Unsupported(f"a size as {aval.dtype}")
    return Value((), np.dtype(np.int32), (), (), graph.add("Cast", size, to=6))
