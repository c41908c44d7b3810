"""VGG by torchvision's names."""

import math
from collections.abc import Iterator

import numpy as np

from ferjax.interop.torch_names import BATCH_NORM, CONV, LINEAR, Leaf, Network, Row, vector
from ferjax.models.vgg import CHANNELS, STAGES


def _side(inputs: int) -> int:
    """Height and width of the features that a classifier of so many inputs reads."""
    return math.isqrt(inputs // CHANNELS[-1])


def _to_flax(weight: np.ndarray) -> np.ndarray:
    """`[outputs, C·H·W]` to `[H·W·C, outputs]`."""
    outputs, inputs = weight.shape
    split = weight.reshape(outputs, -1, _side(inputs), _side(inputs))
    return split.transpose(2, 3, 1, 0).reshape(inputs, outputs)


def _to_torch(kernel: np.ndarray) -> np.ndarray:
    inputs, outputs = kernel.shape
    split = kernel.reshape(_side(inputs), _side(inputs), -1, outputs)
    return split.transpose(3, 2, 0, 1).reshape(outputs, inputs)


_LINEAR_OF_PIXELS = (Leaf("weight", "params", "kernel", _to_flax, _to_torch), vector("bias", "bias"))


def _rows(depth: int, norm: bool) -> Iterator[Row]:
    index = 0  # in torchvision's `features`, which counts ReLUs and pools too
    for stage, layers in enumerate(STAGES[depth], start=1):
        for layer in range(1, layers + 1):
            yield Row(f"features.{index}", f"conv{stage}_{layer}", CONV)
            if norm:
                yield Row(f"features.{index + 1}", f"bn{stage}_{layer}", BATCH_NORM)
            index += 3 if norm else 2
        index += 1
    yield Row("classifier.0", "fc1", _LINEAR_OF_PIXELS)
    yield Row("classifier.3", "fc2", LINEAR)
    yield Row("classifier.6", "fc3", LINEAR)


NETWORKS = {
    f"vgg{depth}{suffix}": Network(
        tuple(_rows(depth, norm)),
        head="classifier.6",
        image_size=32,
        counterpart=f"ferjax.interop.torchvision:vgg{depth}{suffix}",
    )
    for depth in STAGES
    for suffix, norm in (("", False), ("_bn", True))
}
