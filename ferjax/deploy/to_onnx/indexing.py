"""Reads at places: JAX's `gather`, in the forms that indexing and `take_along_axis` make."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ferjax.deploy.to_onnx.graph import Graph, Unsupported, Value, identity
from ferjax.deploy.to_onnx.lowerings import lowers
from ferjax.deploy.to_onnx.shapes import cut, plain, squeeze


@lowers("gather")
def _gather(graph: Graph, equation: Any, values: Sequence[Value]) -> Value:
    value, places = values
    numbers = equation.params["dimension_numbers"]
    if places.array is None:
        return _along_axis(graph, equation, value, places)
    if numbers.operand_batching_dims:
        raise Unsupported("an indexing by rows")
    where = np.broadcast_to(places.array, places.shape)
    if where.ndim == 1:
        return _one_place(graph, equation, value, where)
    return _grid(graph, equation, value, where)


def _one_place(graph: Graph, equation: Any, value: Value, where: np.ndarray) -> Value:
    """Cuts one block out: `x[:, 3]`."""
    numbers, sizes = equation.params["dimension_numbers"], equation.params["slice_sizes"]
    starts = [0] * value.rank
    for axis, start in zip(numbers.start_index_map, where.tolist(), strict=True):
        starts[axis] = max(0, min(start, value.shape[axis] - sizes[axis]))
    block = cut(graph, value, starts, [start + size for start, size in zip(starts, sizes, strict=True)])
    return squeeze(graph, block, [int(axis) for axis in numbers.collapsed_slice_dims])


def _grid(graph: Graph, equation: Any, value: Value, where: np.ndarray) -> Value:
    """Picks rows, columns or both of an image: `x[:, [0, 2, 4]]`, `x[:, [[0], [2]], [1, 3]]`."""
    numbers, sizes = equation.params["dimension_numbers"], equation.params["slice_sizes"]
    axes = [int(axis) for axis in numbers.start_index_map]
    shape = list(equation.outvars[0].aval.shape)
    places = [axis for axis in range(len(shape)) if axis not in numbers.offset_dims]
    whole = all(size == value.shape[axis] for axis, size in enumerate(sizes) if axis not in axes)
    if list(numbers.collapsed_slice_dims) != axes or places != axes or not whole:
        raise Unsupported("an indexing that moves axes")
    for place, axis in enumerate(axes):
        picked = where[..., place]
        line = np.moveaxis(picked, place, -1).reshape(-1, picked.shape[place])[0]
        expected = line.reshape([-1 if other == place else 1 for other in range(picked.ndim)])
        if (picked != expected).any() or line.min() < 0 or line.max() >= value.shape[axis]:
            raise Unsupported("an indexing of single elements")
        value = _pick(graph, value, axis, line)
    return value


def _pick(graph: Graph, value: Value, axis: int, line: np.ndarray) -> Value:
    steps = set(np.diff(line).tolist())
    if len(steps) == 1 and (step := steps.pop()) > 0:
        starts, stops, by = [0] * value.rank, list(value.shape), [1] * value.rank
        starts[axis], stops[axis], by[axis] = int(line[0]), int(line[-1]) + 1, step
        return cut(graph, value, starts, stops, by)
    shape = [len(line) if other == axis else size for other, size in enumerate(value.shape)]
    return plain(
        graph, value, "Gather", graph.integers(line.tolist()), shape=shape, axis=value.order.index(axis)
    )


def _along_axis(graph: Graph, equation: Any, value: Value, places: Value) -> Value:
    """Reads rows at computed places, image by image: `[B, N, C]` at `[B, M, 1]`."""
    numbers, shape = equation.params["dimension_numbers"], tuple(equation.outvars[0].aval.shape)
    batched = len(numbers.operand_batching_dims)
    first = tuple(range(batched))
    regular = (
        tuple(numbers.operand_batching_dims) == first == tuple(numbers.start_indices_batching_dims)
        and tuple(numbers.collapsed_slice_dims) == tuple(numbers.start_index_map)
        and tuple(numbers.start_index_map) == tuple(range(batched, batched + places.shape[-1]))
        and tuple(numbers.offset_dims) == tuple(range(places.rank - 1, len(shape)))
        and tuple(equation.params["slice_sizes"][batched + places.shape[-1] :])
        == value.shape[batched + places.shape[-1] :]
    )
    if not regular:
        raise Unsupported("an indexing by computed places")
    where = graph.add("Cast", graph.full(places), to=7)
    name = graph.add("GatherND", graph.full(value), where, batch_dims=batched)
    return Value(shape, value.dtype, shape, identity(len(shape)), name)
