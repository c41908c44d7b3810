"""Writes YuNet, which finds faces (`ferjax.deploy.yunet`), as ONNX in plain convolutions.

The JAX network writes a convolution by channel as nine products, which XLA fuses; a runtime in a browser
computes ONNX's own convolution by groups several times as fast.
"""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ferjax.deploy import yunet
from ferjax.errors import UserError

INPUT = "images"
OUTPUTS = tuple(f"cells{stride}" for stride in yunet.STRIDES)
_OPSET = 17
_IR_VERSION = 8  # of that opset
_SHAPE = (1, 64, 96, 3)  # of the picture that the check shows to both networks
_TOLERANCE = 1e-3  # pixels, and a thousandth of a score


def export(path: Path) -> float:
    """Writes the network, and compares it with the one in JAX.

    Args:
        path: the file to write. Its program takes `images`, uint8 `[1, H, W, 3]`, RGB, H and W multiples of
            32, and returns for each stride s the cells of one map, float32 `[1, H/s, W/s, 10]`, which
            `ferjax.deploy.yunet.decoded` turns into scores, boxes and eyes.

    Returns:
        The largest difference of a score, or of a place in pixels.

    Raises:
        UserError: onnx or onnxruntime is not installed, or the file's answers differ.
    """
    from ferjax.deploy.onnx import check_installed

    check_installed("onnx", "onnxruntime")
    path.write_bytes(_Graph(yunet.weights()).network())
    difference = _largest_difference(path)
    if not difference <= _TOLERANCE:
        raise UserError(f"what finds faces differs by {difference:.1e} as ONNX; update onnxruntime")
    return difference


class _Graph:
    """Collects the nodes and weights of the network; methods add a layer and return its result's name."""

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        self._weights, self._nodes, self._constants = weights, [], []

    def network(self) -> bytes:
        """Builds the whole network."""
        from onnx import TensorProto, checker, helper

        pixels = self._node("Cast", INPUT, to=TensorProto.FLOAT)
        x = self._node("Transpose", pixels, perm=[0, 3, 1, 2])
        x = self._convolution(x, "stem.kernel", "stem.bias", strides=[2, 2], pads=[1, 1, 0, 0])
        x = self._separable("stage0", self._node("Relu", x))
        x = self._twice("stage2", self._twice("stage1", self._halved(x)))
        fine = self._twice("stage3", self._halved(x))
        middle = self._twice("stage4", self._halved(fine))
        coarse = self._separable("neck2", self._twice("stage5", self._halved(middle)))
        middle = self._separable("neck1", self._node("Add", middle, self._doubled(coarse)))
        fine = self._separable("neck0", self._node("Add", fine, self._doubled(middle)))
        for level, (output, maps) in enumerate(zip(OUTPUTS, (fine, middle, coarse), strict=True)):
            head = self._separable(f"head{level}", maps, relu=False)
            self._nodes.append(helper.make_node("Transpose", [head], [output], perm=[0, 2, 3, 1]))
        graph = helper.make_graph(
            self._nodes,
            "yunet",
            [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, [1, "height", "width", 3])],
            [
                helper.make_tensor_value_info(output, TensorProto.FLOAT, [1, f"rows{s}", f"columns{s}", 10])
                for output, s in zip(OUTPUTS, yunet.STRIDES, strict=True)
            ],
            self._constants,
        )
        model = helper.make_model(
            graph,
            producer_name="ferjax",
            ir_version=_IR_VERSION,
            opset_imports=[helper.make_opsetid("", _OPSET)],
        )
        checker.check_model(model)
        return model.SerializeToString()

    def _node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        from onnx import helper

        result = f"{kind}{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [result], **attributes))
        return result

    def _constant(self, name: str, value: np.ndarray) -> str:
        from onnx import numpy_helper

        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def _convolution(self, x: str, kernel: str, bias: str, **attributes: Any) -> str:
        """Convolves by the kernel `[height, width, in, out]` of that name."""
        value = self._weights[kernel].transpose(3, 2, 0, 1)
        return self._node(
            "Conv", x, self._constant(kernel, value), self._constant(bias, self._weights[bias]), **attributes
        )

    def _separable(self, name: str, x: str, relu: bool = True) -> str:
        """Adds a 1×1 convolution, then one of 3×3 on each channel."""
        for part, options in (("pointwise", {}), ("depthwise", {"pads": [1, 1, 1, 1]})):
            kernel = self._weights[f"{name}.{part}"]
            if part == "pointwise":
                kernel = kernel.T[:, :, None, None]
            else:
                kernel = kernel.transpose(2, 0, 1)[:, None]
                options = options | {"group": len(kernel)}
            x = self._node(
                "Conv",
                x,
                self._constant(f"{name}.{part}", kernel),
                self._constant(f"{name}.{part}_bias", self._weights[f"{name}.{part}_bias"]),
                **options,
            )
        return self._node("Relu", x) if relu else x

    def _twice(self, name: str, x: str) -> str:
        return self._separable(f"{name}b", self._separable(f"{name}a", x))

    def _halved(self, x: str) -> str:
        return self._node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])

    def _doubled(self, x: str) -> str:
        if not any(constant.name == "twice" for constant in self._constants):
            self._constant("twice", np.array([1, 1, 2, 2], np.float32))
        return self._node(
            "Resize", x, "", "twice", mode="nearest", coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )  # fmt: skip


def _largest_difference(path: Path) -> float:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    images = np.random.default_rng(0).integers(0, 256, _SHAPE, np.uint8)
    maps = [jnp.asarray(cells) for cells in session.run(OUTPUTS, {INPUT: images})]
    wanted = jax.jit(yunet.boxes)(jax.device_put(yunet.weights()), jnp.asarray(images))
    pairs = zip(jax.jit(yunet.decoded)(maps), wanted, strict=True)
    return max(float(jnp.abs(found - right).max()) for found, right in pairs)
