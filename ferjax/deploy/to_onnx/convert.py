"""Translates the jaxpr of a function into an ONNX model."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import numpy as np
from jax import export as jax_export
from jax.extend import core
from onnx import ModelProto, helper

from ferjax.deploy.to_onnx import elementwise, indexing, products, shapes, windows
from ferjax.deploy.to_onnx.graph import Graph, Unsupported, Value, constant
from ferjax.deploy.to_onnx.known import evaluate, is_known
from ferjax.deploy.to_onnx.lowerings import LOWERINGS
from ferjax.deploy.to_onnx.simplify import simplify

# May 2023; all operators that are written here are in it.
OPSET = 20
_IR_VERSION = 9  # of the same release; newer ones are refused by older runtimes
_ROOMS = (elementwise, indexing, products, shapes, windows)  # importing them fills the table
# Functions inside of functions: where their jaxpr is.
_CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "remat2": "jaxpr",
    "checkpoint": "jaxpr",
}


def to_onnx(
    function: Callable[[jax.Array], Iterable[jax.Array]],
    image_shape: tuple[int, ...],
    outputs: Sequence[str],
) -> ModelProto:
    """Translates a function of a batch of images.

    Args:
        function: from uint8 `[batch, *image_shape]` to arrays whose first axis is the batch. Weights that it
            holds become constants; where it chooses by platform, the choice for accelerators is taken.
        image_shape: (H, W, C).
        outputs: names of the results.

    Returns:
        A model whose input is `images`.

    Raises:
        Unsupported: it has an operation that is not translated.
    """
    (batch,) = jax_export.symbolic_shape("batch")
    images = jax.ShapeDtypeStruct((batch, *image_shape), np.uint8)
    closed = jax.make_jaxpr(function)(images)
    graph = Graph(batch)
    given = graph.input("images", images.shape, images.dtype)
    results = _run(graph, closed.jaxpr, [constant(array) for array in closed.consts], [given])
    names = [graph.full(result) for result in results]
    for name, output in zip(names, outputs, strict=True):
        graph.nodes.append(helper.make_node("Identity", [name], [output]))
    simplify(graph)
    described = [_described("images", given)]
    return helper.make_model(
        helper.make_graph(
            graph.nodes,
            "network",
            described,
            [_described(name, result) for name, result in zip(outputs, results, strict=True)],
            graph.initializers(),
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
    )


def _described(name: str, value: Value) -> Any:
    sizes = [size if isinstance(size, int) else "batch" for size in value.shape]
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), sizes)


def _run(graph: Graph, jaxpr: Any, constants: Sequence[Value], inputs: Sequence[Value]) -> list[Value]:
    """Translates the equations of a jaxpr."""
    values = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*constants, *inputs), strict=True))

    def read(atom: Any) -> Value:
        if isinstance(atom, core.Literal):
            aval: Any = atom.aval  # a Python number has no dtype of its own
            return constant(np.asarray(atom.val, aval.dtype))
        return values[atom]

    for equation in jaxpr.eqns:
        results = _equation(graph, equation, [read(atom) for atom in equation.invars])
        values.update(zip(equation.outvars, results, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _equation(graph: Graph, equation: Any, inputs: list[Value]) -> list[Value]:
    name, params = equation.primitive.name, equation.params
    if name == "platform_index":
        return [constant(np.int32(params["platforms"].index(None)))]
    if name == "cond" and inputs[0].array is not None:
        branch = params["branches"][int(inputs[0].array)]
        return _call(graph, branch, inputs[1:])
    if name in _CALLS:
        return _call(graph, params[_CALLS[name]], inputs)
    if is_known(equation, inputs):
        return [constant(array) for array in evaluate(equation, inputs)]
    if name not in LOWERINGS:
        raise Unsupported(f"the operation {name}")
    results = LOWERINGS[name](graph, equation, inputs)
    return [results] if isinstance(results, Value) else list(results)


def _call(graph: Graph, function: Any, inputs: Sequence[Value]) -> list[Value]:
    """Translates an inner function in place."""
    jaxpr, constants = (
        (function.jaxpr, function.consts) if isinstance(function, core.ClosedJaxpr) else (function, ())
    )
    return _run(graph, jaxpr, [constant(array) for array in constants], inputs)
