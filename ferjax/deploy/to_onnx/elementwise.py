"""Operations on each element: arithmetic, comparisons, choices, conversions."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import helper

from ferjax.deploy.to_onnx.graph import Graph, Unsupported, Value, identity, merged
from ferjax.deploy.to_onnx.lowerings import lowers

_SAME_NAME = {
    "add": "Add", "add_any": "Add", "sub": "Sub", "mul": "Mul", "div": "Div", "pow": "Pow",
    "min": "Min", "max": "Max", "neg": "Neg", "abs": "Abs", "sign": "Sign", "exp": "Exp", "log": "Log",
    "sqrt": "Sqrt", "floor": "Floor", "ceil": "Ceil", "tanh": "Tanh", "logistic": "Sigmoid", "erf": "Erf",
    "sin": "Sin", "cos": "Cos", "gt": "Greater", "ge": "GreaterOrEqual", "lt": "Less", "le": "LessOrEqual",
    "eq": "Equal",
}  # fmt: skip


def apply(graph: Graph, operation: str, values: Sequence[Value], dtype: Any, **attributes: Any) -> Value:
    """Adds a node for values of one shape, or scalars."""
    rank = max(value.rank for value in values)
    shape = next(value.shape for value in values if value.rank == rank)
    order = _common_order([value for value in values if value.rank == rank])
    names = [graph.tensor(value, order if value.rank else ()) for value in values]
    stored = [1] * rank
    for value in values:
        if value.rank:
            sizes = (value.stored[value.order.index(axis)] for axis in order)
            stored = [merged(*pair) for pair in zip(stored, sizes, strict=True)]
    name = graph.add(operation, *names, **attributes)
    return Value(shape, np.dtype(dtype), tuple(stored), order, name)


def _common_order(values: Sequence[Value]) -> tuple[int, ...]:
    """Chooses the order of the largest tensor, as the others cost less to transpose."""
    computed = [value for value in values if value.array is None]
    if not computed:
        return identity(values[0].rank)

    def size(value: Value) -> tuple[int, bool]:
        long = sum(not (isinstance(size, int) and size == 1) for size in value.stored)
        return long, value.order != identity(value.rank)

    return max(computed, key=size).order


def scalar(number: float, like: Value) -> Value:
    """Makes a constant of a value's dtype."""
    array = np.asarray(number, like.dtype)
    return Value((), array.dtype, (), (), array=array)


@lowers(*_SAME_NAME)
def _same(graph: Graph, equation: Any, values: Sequence[Value]) -> Value:
    name = equation.primitive.name
    if name == "max" and values[1].array is not None and values[1].array.ndim == 0 and not values[1].array:
        return apply(graph, "Relu", values[:1], values[0].dtype)
    return apply(graph, _SAME_NAME[name], values, equation.outvars[0].aval.dtype)


@lowers("copy", "copy_p", "stop_gradient", "optimization_barrier", "reduce_precision")
def _unchanged(graph: Graph, equation: Any, values: Sequence[Value]) -> Sequence[Value]:
    return values


@lowers("and", "or", "xor", "not")
def _logical(graph: Graph, equation: Any, values: Sequence[Value]) -> Value:
    if values[0].dtype != np.bool_:
        raise Unsupported(f"{equation.primitive.name} of {values[0].dtype}")
    return apply(graph, equation.primitive.name.capitalize(), values, np.bool_)


@lowers("ne")
def _unequal(graph: Graph, equation: Any, values: Sequence[Value]) -> Value:
    return apply(graph, "Not", [apply(graph, "Equal", values, np.bool_)], np.bool_)


@lowers("select_n")
def _select(graph: Graph, equation: Any, values: Sequence[Value]) -> Value:
    which, *cases = values
    if which.dtype != np.bool_:
        raise Unsupported("a choice by number")
    if which.array is not None and which.array.ndim == 0:
        return cases[int(which.array)]
    return apply(graph, "Where", (which, cases[1], cases[0]), cases[0].dtype)


@lowers("clamp")
def _clamp(graph: Graph, equation: Any, values: Sequence[Value]) -> Value:
    low, value, high = values
    return apply(graph, "Min", [apply(graph, "Max", [value, low], value.dtype), high], value.dtype)


@lowers("convert_element_type")
def _convert(graph: Graph, equation: Any, values: Sequence[Value]) -> Value:
    dtype = np.dtype(equation.params["new_dtype"])
    if dtype == values[0].dtype:
        return values[0]
    return apply(graph, "Cast", values, dtype, to=helper.np_dtype_to_tensor_dtype(dtype))


@lowers("square")
def _square(graph: Graph, equation: Any, values: Sequence[Value]) -> Value:
    return apply(graph, "Mul", [values[0], values[0]], values[0].dtype)


@lowers("integer_pow")
def _integer_power(graph: Graph, equation: Any, values: Sequence[Value]) -> Value:
    power = scalar(equation.params["y"], values[0])
    return apply(graph, "Pow", [values[0], power], values[0].dtype)


@lowers("rsqrt")
def _reciprocal_root(graph: Graph, equation: Any, values: Sequence[Value]) -> Value:
    root = apply(graph, "Sqrt", values, values[0].dtype)
    return apply(graph, "Reciprocal", [root], root.dtype)


@lowers("log1p")
def _log1p(graph: Graph, equation: Any, values: Sequence[Value]) -> Value:
    more = apply(graph, "Add", [values[0], scalar(1, values[0])], values[0].dtype)
    return apply(graph, "Log", [more], more.dtype)


@lowers("erfc")
def _erfc(graph: Graph, equation: Any, values: Sequence[Value]) -> Value:
    erf = apply(graph, "Erf", values, values[0].dtype)
    return apply(graph, "Sub", [scalar(1, erf), erf], erf.dtype)


@lowers("shift_right_arithmetic")
def _shift_right(graph: Graph, equation: Any, values: Sequence[Value]) -> Value:
    """ONNX shifts unsigned numbers only; its modulo rounds down, as the shift does."""
    value, bits = values
    if bits.array is None:
        raise Unsupported("a shift by a computed number")
    divisor = Value(bits.shape, value.dtype, bits.stored, bits.order, array=np.left_shift(1, bits.array))
    rest = apply(graph, "Mod", [value, divisor], value.dtype)
    return apply(graph, "Div", [apply(graph, "Sub", [value, rest], value.dtype), divisor], value.dtype)


@lowers("is_finite")
def _is_finite(graph: Graph, equation: Any, values: Sequence[Value]) -> Value:
    odd = [apply(graph, operation, values, np.bool_) for operation in ("IsInf", "IsNaN")]
    return apply(graph, "Not", [apply(graph, "Or", odd, np.bool_)], np.bool_)
