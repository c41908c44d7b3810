"""YuNet, a network that finds faces; its weights are in the package.

The weights are those of libfacedetection (commit acf7b25, 3-clause BSD licence: `yunet_licence.txt`), rounded
to float16 by `benchmarks/yunet_weights.py`. Source: Wu, Peng, Yu, "YuNet: A Tiny Millisecond-level Face
Detector" (Machine Intelligence Research 2023); order of the layers and decoding: libfacedetection's
`facedetectcnn-model.cpp`.
"""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, UInt8
from safetensors.numpy import load_file

WEIGHTS = Path(__file__).with_name("yunet.safetensors")
# Pixels between the cells of the three maps that boxes are read from.
STRIDES = (8, 16, 32)
Weights = Mapping[str, Array]


class Boxes(NamedTuple):
    """What every cell says, N of them, in pixels of the picture.

    Attributes:
        scores: `[B, N]`, 0 to 1.
        boxes: `[B, N, 4]`: left, top, right, bottom.
        eyes: `[B, N, 2, 2]`: x and y of the person's right eye and of the left one.
    """

    scores: Float[Array, "B N"]
    boxes: Float[Array, "B N 4"]
    eyes: Float[Array, "B N 2 2"]


@functools.cache
def weights() -> dict[str, np.ndarray]:
    """Reads the weights, float32, by the names that `boxes` uses."""
    return {name: value.astype(np.float32) for name, value in load_file(WEIGHTS).items()}


def boxes(values: Weights, images: UInt8[Array, "B H W 3"]) -> Boxes:
    """Computes a box for every cell of pictures, RGB, whose sides are multiples of 32."""
    x = lax.conv_general_dilated(
        images.astype(jnp.float32), values["stem.kernel"], (2, 2), ((1, 0), (1, 0)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )  # fmt: skip
    x = _separable(values, "stage0", jax.nn.relu(x + values["stem.bias"]))
    x = _twice(values, "stage2", _twice(values, "stage1", _halved(x)))
    fine = _twice(values, "stage3", _halved(x))
    middle = _twice(values, "stage4", _halved(fine))
    coarse = _separable(values, "neck2", _twice(values, "stage5", _halved(middle)))
    middle = _separable(values, "neck1", middle + _doubled(coarse))
    fine = _separable(values, "neck0", fine + _doubled(middle))
    levels = enumerate((fine, middle, coarse))
    return decoded([_separable(values, f"head{level}", maps, relu=False) for level, maps in levels])


def decoded(levels: Sequence[Float[Array, "B _ _ 10"]]) -> Boxes:
    """Reads scores, boxes and eyes from the network's last maps, one for each of `STRIDES`."""
    parts = map(_decoded, levels, STRIDES)
    return Boxes(*(jnp.concatenate(each, axis=1) for each in zip(*parts, strict=True)))


def _separable(
    values: Weights, name: str, x: Float[Array, "B H W C"], relu: bool = True
) -> Float[Array, "B H W K"]:
    """A 1×1 convolution, then one of 3×3 on each channel.

    The second is written as nine products: XLA fuses them, and its own convolution by channel is slower on
    CPUs.
    """
    x = x @ values[f"{name}.pointwise"] + values[f"{name}.pointwise_bias"]
    height, width = x.shape[1:3]
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    kernel = values[f"{name}.depthwise"]
    places = [(row, column) for row in range(3) for column in range(3)]
    products = (padded[:, r : r + height, c : c + width] * kernel[r, c] for r, c in places)
    x = sum(products, values[f"{name}.depthwise_bias"])
    return jax.nn.relu(x) if relu else x


def _twice(values: Weights, name: str, x: Float[Array, "B H W C"]) -> Float[Array, "B H W K"]:
    return _separable(values, f"{name}b", _separable(values, f"{name}a", x))


def _halved(x: Float[Array, "B H W C"]) -> Float[Array, "B H//2 W//2 C"]:
    """Takes the largest of each 2×2 window.

    Written as comparisons of whole arrays: here a reduce-window takes as long as all the rest, and as long to
    compile.
    """
    x = lax.optimization_barrier(x)
    rows = jnp.maximum(x[:, ::2], x[:, 1::2])
    return jnp.maximum(rows[:, :, ::2], rows[:, :, 1::2])


def _doubled(x: Float[Array, "B H W C"]) -> Float[Array, "B 2*H 2*W C"]:
    return x.repeat(2, axis=1).repeat(2, axis=2)


def _decoded(maps: Float[Array, "B H W 10"], stride: int) -> Boxes:
    """Reads class and object scores, a box and two eyes from each cell of a map."""
    batch, height, width, _ = maps.shape
    cells = jnp.stack(jnp.meshgrid(jnp.arange(width), jnp.arange(height)), axis=-1) * float(stride)
    scores = jnp.sqrt(jax.nn.sigmoid(maps[..., 0]) * jax.nn.sigmoid(maps[..., 1]))
    middle, half = maps[..., 2:4] * stride + cells, jnp.exp(maps[..., 4:6]) * stride / 2
    eyes = maps[..., 6:].reshape(batch, height, width, 2, 2) * stride + cells[:, :, None]
    return Boxes(
        scores.reshape(batch, -1),
        jnp.concatenate([middle - half, middle + half], axis=-1).reshape(batch, -1, 4),
        eyes.reshape(batch, -1, 2, 2),
    )
