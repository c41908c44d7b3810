"""Small Xceptions for faces (Arriaga et al., 2017), as the authors' Keras code has them.

"Real-time Convolutional Neural Networks for Emotion and Gender Classification", figure 4: convolutions, then
residual modules of two depthwise separable convolutions, a convolution to a map for each class, and the maps'
averages. `mini_xception` is the paper's network for expressions, `big_xception` a wider one of the same code.
"""

from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from flax.typing import Dtype
from jaxtyping import Array, Float

from ferjax.augment.normalisation import IMAGENET_MEAN, IMAGENET_STD
from ferjax.augment.tone import luma
from ferjax.layers.conv import Conv
from ferjax.layers.norm import BatchNorm
from ferjax.layers.pooling import global_average_pool
from ferjax.layers.separable import SeparableConv, max_pool_3x3_same
from ferjax.models.images import check_images
from ferjax.registry import network

EPSILON = 1e-3  # of batch normalisation, Keras's
MOMENTUM = 0.99  # likewise
USUAL_IMAGE = 64


class Sizes(NamedTuple):
    """What tells the networks of this file apart.

    Attributes:
        stem: channels of the convolutions before the modules, which have no padding.
        stride: of the first of them.
        modules: channels of the Xception modules.
        rectify: applies ReLU before the convolutions of every module but the first.
        smallest: pixels that an image must have at least, so that the stem leaves one.
    """

    stem: tuple[int, int]
    stride: int
    modules: tuple[int, ...]
    rectify: bool
    smallest: int


MINI = Sizes(stem=(8, 8), stride=1, modules=(16, 32, 64, 128), rectify=False, smallest=5)
BIG = Sizes(stem=(32, 64), stride=2, modules=(128, 256), rectify=True, smallest=7)
SIZES = {"mini_xception": MINI, "big_xception": BIG}


def grey_in_minus_one_to_one(images: Float[Array, "B H W 3"]) -> Float[Array, "B H W 1"]:
    """Turns ImageNet-normalised images into grey values from −1 to 1, which the authors' networks take."""
    values = images.astype(jnp.float32) * jnp.asarray(IMAGENET_STD) + jnp.asarray(IMAGENET_MEAN)
    return (2 * luma(values) - 1).astype(images.dtype)


class XceptionModule(nn.Module):
    """Adds two separable convolutions and a pool to a 1×1 convolution of stride 2; it halves the image.

    Attributes:
        features: output channels.
        rectify: applies ReLU before the first separable convolution; the shortcut reads what lies before it.
        dtype: compute dtype; the input's if None.
    """

    features: int
    rectify: bool = False
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"], train: bool) -> Float[Array, "B H2 W2 {self.features}"]:
        """Computes the sum of both paths."""
        short = Conv(self.features, 1, stride=2, use_bias=False, dtype=self.dtype, name="shortcut")(x)
        short = BatchNorm(MOMENTUM, EPSILON, name="shortcut_bn")(short, train)
        x = SeparableConv(self.features, dtype=self.dtype, name="conv1")(nn.relu(x) if self.rectify else x)
        x = nn.relu(BatchNorm(MOMENTUM, EPSILON, name="bn1")(x, train))
        x = SeparableConv(self.features, dtype=self.dtype, name="conv2")(x)
        x = BatchNorm(MOMENTUM, EPSILON, name="bn2")(x, train)
        return max_pool_3x3_same(x) + short


@network(
    "mini_xception",
    smallest=MINI.smallest,
    usual=USUAL_IMAGE,
    source="Arriaga et al. (2017)",
    kind="mini_xception",
)
@network(
    "big_xception",
    smallest=BIG.smallest,
    usual=USUAL_IMAGE,
    source="Arriaga et al. (2017)",
    kind="big_xception",
)
class MiniXception(nn.Module):
    """Applies two 3×3 convolutions, Xception modules, and a 3×3 convolution to maps that are averaged.

    Images become grey. Weights fit images of any size; the authors' is 64×64.

    Attributes:
        kind: a key of `SIZES`.
        num_classes: number of logits.
        dtype: compute dtype; the input's if None. Parameters and statistics are float32.
    """

    kind: str = "mini_xception"
    num_classes: int = 7
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Float[Array | np.ndarray, "..."], train: bool = False) -> Float[Array, "B K"]:
        """Computes logits of normalised images `[B, H, W, 3]`; meant for 64×64.

        Raises:
            UserError: the image is too small or has not three channels.
        """
        sizes = SIZES[self.kind]
        images = check_images(self.kind, images, sizes.smallest)
        x = grey_in_minus_one_to_one(images).astype(self.dtype or images.dtype)
        for layer, features in enumerate(sizes.stem, start=1):
            stride = sizes.stride if layer == 1 else 1
            x = Conv(features, 3, stride, use_bias=False, dtype=self.dtype, name=f"conv{layer}")(x)
            x = nn.relu(BatchNorm(MOMENTUM, EPSILON, name=f"bn{layer}")(x, train))
        for number, features in enumerate(sizes.modules, start=1):
            rectify = sizes.rectify and number > 1
            x = XceptionModule(features, rectify, dtype=self.dtype, name=f"module{number}")(x, train)
        return global_average_pool(Conv(self.num_classes, 3, padding=1, dtype=self.dtype, name="maps")(x))
