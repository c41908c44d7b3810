"""Convolutions and matrix products."""

import string
from collections.abc import Sequence
from typing import Any

from ferjax.deploy.to_onnx.graph import Graph, Unsupported, Value, identity
from ferjax.deploy.to_onnx.lowerings import lowers
from ferjax.deploy.to_onnx.shapes import cut


@lowers("conv_general_dilated")
def _convolution(graph: Graph, equation: Any, values: Sequence[Value]) -> Value:
    params = equation.params
    if any(step != 1 for step in params["lhs_dilation"]) or params["batch_group_count"] != 1:
        raise Unsupported("a transposed convolution")
    images, kernel = values
    from_images, from_kernel, from_output = params["dimension_numbers"]
    axes = from_images[2:]
    sizes = [kernel.shape[axis] for axis in from_kernel[2:]]
    pads = []
    starts, stops = [0] * images.rank, list(images.shape)
    shape = equation.outvars[0].aval.shape
    for place, (axis, (before, after)) in enumerate(zip(axes, params["padding"], strict=True)):
        # A step may leave the last elements out; a negative padding then only says so.
        step, dilation = params["window_strides"][place], params["rhs_dilation"][place]
        span = (sizes[place] - 1) * dilation + 1
        if after < 0 and (images.shape[axis] + before - span) // step + 1 == shape[from_output[2 + place]]:
            after = 0
        starts[axis], stops[axis] = max(0, -before), images.shape[axis] - max(0, -after)
        pads.append((max(0, before), max(0, after)))
    images = cut(graph, images, starts, stops)
    name = graph.add(
        "Conv",
        graph.full(images, from_images),
        graph.full(kernel, from_kernel),
        kernel_shape=sizes,
        strides=list(params["window_strides"]),
        dilations=list(params["rhs_dilation"]),
        pads=[before for before, _ in pads] + [after for _, after in pads],
        group=params["feature_group_count"],
    )
    return Value(shape, images.dtype, tuple(shape[axis] for axis in from_output), tuple(from_output), name)


@lowers("dot_general")
def _product(graph: Graph, equation: Any, values: Sequence[Value]) -> Value:
    (summed_left, summed_right), (batch_left, batch_right) = equation.params["dimension_numbers"]
    left, right = values
    shape = tuple(equation.outvars[0].aval.shape)
    free_left = [axis for axis in range(left.rank) if axis not in (*summed_left, *batch_left)]
    free_right = [axis for axis in range(right.rank) if axis not in (*summed_right, *batch_right)]
    if len(summed_left) == 1 and len(free_right) == 1 and (len(free_left) == 1 or not batch_left):
        names = (
            graph.full(left, (*batch_left, *free_left, *summed_left)),
            graph.full(right, (*batch_right, *summed_right, *free_right)),
        )
        name = graph.add("MatMul", *names)
    else:
        letters = iter(string.ascii_lowercase)
        of_left = {axis: next(letters) for axis in range(left.rank)}
        pairs = zip((*batch_right, *summed_right), (*batch_left, *summed_left), strict=True)
        of_right = {axis: of_left[same] for axis, same in pairs}
        of_right |= {axis: next(letters) for axis in free_right}
        result = [of_left[axis] for axis in (*batch_left, *free_left)] + [of_right[a] for a in free_right]
        sides = ("".join(side[axis] for axis in sorted(side)) for side in (of_left, of_right))
        formula = f"{','.join(sides)}->{''.join(result)}"
        name = graph.add("Einsum", graph.full(left), graph.full(right), equation=formula)
    return Value(shape, left.dtype, shape, identity(len(shape)), name)
