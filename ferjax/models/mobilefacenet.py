"""MobileFaceNet (Chen et al., 2018), as POSTER++ has it for landmarks, with classes instead.

Inverted residual blocks: 1×1 to more channels, 3×3 on each channel alone, 1×1 back.
"""

from functools import partial

import flax.linen as nn
import numpy as np
from flax.typing import Dtype, Initializer
from jaxtyping import Array, Float

from ferjax.layers.conv import Conv
from ferjax.layers.depthwise import DepthwiseConv
from ferjax.layers.init import HE_FAN_OUT
from ferjax.layers.linear import Linear
from ferjax.layers.norm import BatchNorm
from ferjax.layers.prelu import PReLU
from ferjax.models.images import check_images
from ferjax.registry import network

SMALLEST_IMAGE = 16  # four halvings
USUAL_IMAGE = 112
FEATURES = 512
# Name → (output channels, channels inside, stride, blocks); several blocks are residual ones.
BLOCKS = {
    "conv_23": (64, 128, 2, 1),
    "conv_3": (64, 128, 1, 4),
    "conv_34": (128, 256, 2, 1),
    "conv_4": (128, 256, 1, 6),
    "conv_45": (128, 512, 2, 1),
    "conv_5": (128, 256, 1, 2),
}
# The blocks whose results are read elsewhere, by POSTER++.
READ = ("conv_3", "conv_4")


class ConvBlock(nn.Module):
    """Applies a convolution without bias, batch normalisation and, unless told not to, a PReLU.

    Attributes:
        features: output channels; those of the input if it is depthwise.
        kernel_size: of both axes, or (rows, columns).
        stride: on both axes.
        padding: zeros on all four sides.
        depthwise: whether each channel is convolved alone.
        rectified: whether a PReLU follows.
        kernel_init: of the kernel; PyTorch's default if None.
        dtype: compute dtype.
    """

    features: int
    kernel_size: int | tuple[int, int] = 1
    stride: int = 1
    padding: int = 0
    depthwise: bool = False
    rectified: bool = True
    kernel_init: Initializer | None = None
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"], train: bool) -> Float[Array, "B H2 W2 {self.features}"]:
        """Computes the next feature maps."""
        same = {"dtype": self.dtype, "kernel_init": self.kernel_init, "name": "conv"}
        place = (self.kernel_size, self.stride, self.padding)
        if self.depthwise:
            x = DepthwiseConv(*place, **same)(x)
        else:
            x = Conv(self.features, *place, use_bias=False, **same)(x)
        x = BatchNorm(name="bn")(x, train)
        return PReLU(name="prelu")(x) if self.rectified else x


class InvertedResidual(nn.Module):
    """Applies 1×1, 3×3 on each channel alone and 1×1; the last is not rectified.

    Attributes:
        features: output channels.
        inside: channels of the 3×3 convolution.
        stride: of it.
        residual: whether the input is added.
        dtype: compute dtype.
    """

    features: int
    inside: int
    stride: int
    residual: bool
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"], train: bool) -> Float[Array, "B H2 W2 {self.features}"]:
        """Computes the next feature maps."""
        block = partial(ConvBlock, kernel_init=HE_FAN_OUT, dtype=self.dtype)
        y = block(self.inside, name="conv")(x, train)
        y = block(self.inside, 3, self.stride, 1, depthwise=True, name="conv_dw")(y, train)
        y = block(self.features, rectified=False, name="project")(y, train)
        return x + y if self.residual else y


def feature_maps(x: Float[Array, "B H W 3"], train: bool) -> list[Float[Array, "B _ _ _"]]:
    """Applies all convolutions of the calling module.

    Returns:
        Maps of 64, 128 and 512 channels of a 4th, an 8th and a 16th of the height and the width.
    """
    block = partial(ConvBlock, kernel_init=HE_FAN_OUT, dtype=x.dtype)
    x = block(64, 3, 2, 1, name="conv1")(x, train)
    x = block(64, 3, 1, 1, depthwise=True, name="conv2_dw")(x, train)
    read = []
    for name, (features, inside, stride, blocks) in BLOCKS.items():
        for number in range(blocks):
            own = f"{name}_{number}" if blocks > 1 else name
            x = InvertedResidual(features, inside, stride, blocks > 1, dtype=x.dtype, name=own)(x, train)
        if name in READ:
            read.append(x)
    return [*read, block(FEATURES, name="conv_6_sep")(x, train)]


@network("mobilefacenet", smallest=SMALLEST_IMAGE, usual=USUAL_IMAGE, source="Chen et al. (2018)")
class MobileFaceNet(nn.Module):
    """MobileFaceNet whose last normalised linear layer gives logits.

    A depthwise convolution as large as the last maps weighs their places, so the weights belong to images of
    one size, 112×112 in the authors' files.

    Attributes:
        num_classes: number of logits.
        dtype: compute dtype; the input's if None. Parameters and statistics are float32.
    """

    num_classes: int = 7
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Float[Array | np.ndarray, "..."], train: bool = False) -> Float[Array, "B K"]:
        """Computes logits of normalised images `[B, H, W, 3]`.

        Raises:
            UserError: the image is too small or has not three channels.
        """
        images = check_images("mobilefacenet", images, SMALLEST_IMAGE)
        x = feature_maps(images.astype(self.dtype or images.dtype), train)[-1]
        whole = ConvBlock(
            FEATURES,
            (x.shape[1], x.shape[2]),
            depthwise=True,
            rectified=False,
            kernel_init=HE_FAN_OUT,
            dtype=self.dtype,
            name="conv_6_dw",
        )
        x = whole(x, train)[:, 0, 0]
        x = Linear(self.num_classes, use_bias=False, dtype=self.dtype, kernel_init=HE_FAN_OUT, name="linear")(
            x
        )
        return BatchNorm(name="bn")(x, train)
