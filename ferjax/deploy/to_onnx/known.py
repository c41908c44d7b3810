"""Computes operations on constants while converting: what becomes of the weights alone."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax import export as jax_export

from ferjax.deploy.to_onnx.graph import Value

# The usual ones by NumPy, as JAX compiles an operation anew for each shape.
_NUMPY: dict[str, Callable[..., Any]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
    "neg": np.negative,
    "sqrt": np.sqrt,
    "rsqrt": lambda array: np.reciprocal(np.sqrt(array)),
    "square": np.square,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "select_n": lambda which, *cases: (
        np.where(which, *cases[::-1]) if len(cases) == 2 else np.choose(which, cases)
    ),
}


def is_known(equation: Any, inputs: Sequence[Value]) -> bool:
    """Tells whether an equation has constant inputs, and no size that follows the batch."""
    # Broadcasting a constant is left to the operations that read it.
    if equation.primitive.name == "broadcast_in_dim" or any(value.array is None for value in inputs):
        return False
    sizes = [size for atom in (*equation.invars, *equation.outvars) for size in atom.aval.shape]
    for parameter in equation.params.values():
        sizes += parameter if isinstance(parameter, tuple) else [parameter]
    return not any(jax_export.is_symbolic_dim(size) for size in sizes)


def evaluate(equation: Any, inputs: Sequence[Value]) -> list[np.ndarray]:
    """Computes an equation."""
    arrays = [np.broadcast_to(value.array, value.shape) for value in inputs if value.array is not None]
    name, params = equation.primitive.name, equation.params
    if name in _NUMPY:
        results: Any = _NUMPY[name](*arrays)
    elif name == "convert_element_type":
        results = arrays[0].astype(params["new_dtype"])
    elif name == "reshape":
        results = arrays[0].reshape(params["new_sizes"])
    elif name == "squeeze":
        results = arrays[0].squeeze(tuple(params["dimensions"]))
    elif name == "transpose":
        results = arrays[0].transpose(params["permutation"])
    else:
        with jax.ensure_compile_time_eval():
            results = equation.primitive.bind(*arrays, **params)
    dtypes = [variable.aval.dtype for variable in equation.outvars]
    results = results if equation.primitive.multiple_results else [results]
    return [np.asarray(array, dtype) for array, dtype in zip(results, dtypes, strict=True)]
