"""An ONNX graph under construction, and its tensors, whose axes may lie in another order than in JAX.

Networks here compute in NHWC, ONNX in NCHW. A `Value` remembers in which order its tensor's axes lie, so a
convolution's result is never transposed back: what follows works on the axes where they are, and only an
operation that needs an order, such as a reshape, asks for it. Broadcasting is left to ONNX's own likewise.
"""

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

# Sizes of axes; a size that follows the batch is a symbol of jax.export.
Shape = tuple[Any, ...]
Order = tuple[int, ...]


class Unsupported(ValueError):
    """An operation, or a form of one, that is not translated."""


@dataclasses.dataclass(frozen=True)
class Value:
    """An array of the traced function.

    Attributes:
        shape: as in JAX.
        dtype: likewise.
        stored: the tensor's shape: `shape` in `order`, with 1 where it is still to be broadcast.
        order: the tensor's axis i is axis `order[i]` of `shape`.
        name: the tensor; empty if it is a constant.
        array: of a constant, of shape `stored`; its order is the identity.
    """

    shape: Shape
    dtype: np.dtype
    stored: Shape
    order: Order
    name: str = ""
    array: np.ndarray | None = None

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.shape)


def constant(array: Any) -> Value:
    """Makes a value that is known while converting."""
    array = np.asarray(array)
    return Value(array.shape, array.dtype, array.shape, identity(array.ndim), array=array)


def identity(rank: int) -> Order:
    """Returns the order of axes as in JAX."""
    return tuple(range(rank))


class Graph:
    """Nodes and constants.

    Attributes:
        nodes: in the order of computation.
        constants: arrays by tensor name.
        batch: the symbol of the batch size.
    """

    def __init__(self, batch: Any) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        self.batch = batch
        self._batch_name = ""
        self._known: dict[tuple[str, Shape, bytes], str] = {}
        self._transposed: dict[tuple[str, Order], str] = {}
        self._count = 0

    def input(self, name: str, shape: Shape, dtype: Any) -> Value:
        """Declares the input, whose first axis is the batch."""
        whole = self.add("Shape", name, start=0, end=1)
        self._batch_name = whole
        return Value(shape, np.dtype(dtype), shape, identity(len(shape)), name)

    def add(self, operation: str, *inputs: str, **attributes: Any) -> str:
        """Adds a node with one output; returns the output's name."""
        self._count += 1
        output = f"{operation.lower()}_{self._count}"
        self.nodes.append(helper.make_node(operation, inputs, [output], output, **attributes))
        return output

    def array(self, array: Any) -> str:
        """Adds a constant; equal ones, as those of several crops, are one."""
        array = np.ascontiguousarray(array).reshape(np.shape(array))
        digest = hashlib.sha256(memoryview(array.reshape(-1).view(np.uint8))).digest()
        key = (array.dtype.str, array.shape, digest)
        if key not in self._known:
            self._known[key] = f"constant_{len(self.constants)}"
            self.constants[self._known[key]] = array
        return self._known[key]

    def integers(self, numbers: Sequence[int]) -> str:
        """Adds a constant of int64, as shapes and axes are."""
        return self.array(np.asarray(numbers, np.int64))

    def tensor(self, value: Value, order: Order | None = None) -> str:
        """Returns the value's tensor with its axes in an order, that of JAX if None; not yet broadcast."""
        order = identity(value.rank) if order is None else order
        if value.array is not None:
            return self.array(value.array.transpose(order))
        if order == value.order:
            return value.name
        swap = [value.order.index(axis) for axis in order]
        moving = [axis for axis in swap if not _is_one(value.stored[axis])]
        if moving == sorted(moving):  # nothing moves but axes of one element
            return self.reshape(value.name, [value.stored[axis] for axis in swap])
        key = (value.name, tuple(swap))
        if key not in self._transposed:
            self._transposed[key] = self.add("Transpose", value.name, perm=swap)
        return self._transposed[key]

    def full(self, value: Value, order: Order | None = None) -> str:
        """Returns the value's tensor as `tensor`, after broadcasting."""
        order = identity(value.rank) if order is None else order
        name = self.tensor(value, order)
        stored = [value.stored[value.order.index(axis)] for axis in order]
        wanted = [
            1 if _same(size, value.shape[axis]) else value.shape[axis]
            for size, axis in zip(stored, order, strict=True)
        ]
        if all(map(_is_one, wanted)):
            return name
        return self.add("Expand", name, self.sizes(wanted))

    def reshape(self, name: str, shape: Sequence[Any]) -> str:
        """Reshapes a tensor; at most one size may follow the batch."""
        sizes = [size if isinstance(size, int) else -1 for size in shape]
        if sizes.count(-1) > 1:
            raise Unsupported(f"a reshape to {tuple(shape)}, with two sizes that follow the batch")
        return self.add("Reshape", name, self.integers(sizes))

    def sizes(self, shape: Sequence[Any]) -> str:
        """Returns a tensor of int64 that holds sizes, some of which may be multiples of the batch."""
        if all(isinstance(size, int) for size in shape):
            return self.integers(shape)
        parts = [self.integers([size]) if isinstance(size, int) else self.size(size) for size in shape]
        return self.add("Concat", *parts, axis=0) if len(parts) > 1 else parts[0]

    def size(self, symbol: Any) -> str:
        """Returns int64 `[1]` of a multiple of the batch."""
        times = symbol // self.batch
        if not isinstance(times, int) or not _same(times * self.batch, symbol):
            raise Unsupported(f"an axis of size {symbol}")
        return self._batch_name if times == 1 else self.add("Mul", self._batch_name, self.integers([times]))

    def initializers(self) -> list[TensorProto]:
        """Returns the constants that nodes read."""
        read = {name for node in self.nodes for name in node.input}
        return [
            numpy_helper.from_array(array, name) for name, array in self.constants.items() if name in read
        ]


def _is_one(size: Any) -> bool:
    return isinstance(size, int) and size == 1


def _same(first: Any, second: Any) -> bool:
    """Compares sizes; a symbol is never equal to a number."""
    return isinstance(first, int) == isinstance(second, int) and bool(first == second)


def merged(first: Any, second: Any) -> Any:
    """Returns the size of an axis after broadcasting."""
    return second if _is_one(first) else first
