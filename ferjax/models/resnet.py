"""Residual networks (He et al., 2016), with squeeze-and-excitation (Hu et al., 2018) as an option.

SE-ResNet-18 is the network of Huang et al. (2023). As in torchvision, a bottleneck's stride is in its 3×3
convolution.
"""

from functools import partial

import flax.linen as nn
import numpy as np
from flax.linen.initializers import ones, zeros
from flax.typing import Dtype, Initializer
from jaxtyping import Array, Float

from ferjax.layers.conv import Conv
from ferjax.layers.init import HE_FAN_OUT
from ferjax.layers.linear import Linear
from ferjax.layers.norm import BatchNorm
from ferjax.layers.pooling import global_average_pool, max_pool_3x3
from ferjax.layers.squeeze_excitation import SqueezeExcitation
from ferjax.models.images import check_images
from ferjax.registry import network

# Residual blocks of the four stages, by the usual number of layers.
STAGES = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
SMALLEST_IMAGE = 32  # five halvings
USUAL_IMAGE = 224


class ResidualBlock(nn.Module):
    """Adds two 3×3 convolutions, or a bottleneck of 1×1, 3×3 and 1×1, to an identity or 1×1 shortcut.

    Attributes:
        features: channels of the 3×3 convolutions.
        stride: of the first 3×3 convolution.
        bottleneck: whether it is one; its result has four times as many channels as its 3×3 convolution.
        squeeze: whether an SE block scales the channels before the shortcut is added; Huang et al., figure 5.
        zero_init_residual: whether the last normalisation's scale begins at zero, so that the block begins
            as its shortcut.
        dtype: compute dtype.
    """

    features: int
    stride: int = 1
    bottleneck: bool = False
    squeeze: bool = False
    zero_init_residual: bool = False
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"], train: bool) -> Float[Array, "B H2 W2 C2"]:
        """Divides height and width by the stride, rounded up; gives `features` or 4 · `features` channels."""

        conv = partial(Conv, use_bias=False, dtype=self.dtype, kernel_init=HE_FAN_OUT)

        def normalised(
            y: Array, features: int, size: int, stride: int, layer: str, norm: str, scale: Initializer = ones
        ) -> Array:
            y = conv(features, size, stride, size // 2, name=layer)(y)
            return BatchNorm(scale_init=scale, name=norm)(y, train)

        if self.bottleneck:
            layers = [(self.features, 1, 1), (self.features, 3, self.stride), (4 * self.features, 1, 1)]
        else:
            layers = [(self.features, 3, self.stride), (self.features, 3, 1)]
        y = x
        for number, layer in enumerate(layers, start=1):
            last = number == len(layers)
            scale = zeros if last and self.zero_init_residual else ones
            y = normalised(y, *layer, f"conv{number}", f"bn{number}", scale)
            if not last:
                y = nn.relu(y)
        if self.squeeze:
            y = SqueezeExcitation(dtype=self.dtype, name="se")(y)
        if x.shape != y.shape:
            x = normalised(x, y.shape[-1], 1, self.stride, "shortcut_conv", "shortcut_bn")
        return nn.relu(x + y)


def stem(x: Float[Array, "B H W 3"], train: bool, width: int = 64) -> Float[Array, "B H2 W2 {width}"]:
    """Applies the 7×7 convolution and the pool of the calling module, which quarter height and width."""
    x = Conv(width, 7, 2, 3, use_bias=False, dtype=x.dtype, kernel_init=HE_FAN_OUT, name="conv1")(x)
    # ReLU after the pool: the same values, a quarter of the work.
    return nn.relu(max_pool_3x3(BatchNorm(name="bn1")(x, train)))


def stage(
    x: Float[Array, "B H W C"],
    train: bool,
    depth: int,
    number: int,
    squeeze: bool = False,
    zero_init_residual: bool = False,
    width: int = 64,
) -> Float[Array, "B H2 W2 C2"]:
    """Applies the residual blocks of stage `number`, from 1 to 4, of the calling module; see `ResNet`."""
    for block in range(STAGES[depth][number - 1]):
        x = ResidualBlock(
            features=width * 2 ** (number - 1),
            stride=2 if number > 1 and block == 0 else 1,
            bottleneck=depth >= 50,
            squeeze=squeeze,
            zero_init_residual=zero_init_residual,
            dtype=x.dtype,
            name=f"layer{number}_{block}",
        )(x, train)
    return x


class ResNet(nn.Module):
    """Residual networks of 18, 34 or 50 layers; `tests/models/test_registry.py` has their parameter counts.

    Attributes:
        depth: 18, 34 or 50, the layers with weights.
        squeeze: whether every residual block has an SE block.
        num_classes: number of logits; 0: no classifier, the result is the features `[B, F]` before it.
        zero_init_residual: whether every residual block begins as its shortcut (Goyal et al., 2017, section
            5.1), so that a deep network learns from scratch from the first steps on; torchvision's option.
        dtype: compute dtype; the input's if None. Parameters and statistics are float32.
    """

    depth: int
    squeeze: bool = False
    num_classes: int = 7
    zero_init_residual: bool = False
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Float[Array | np.ndarray, "..."], train: bool = False) -> Float[Array, "B K"]:
        """Computes logits of normalised images `[B, H, W, 3]`; the papers' size is 224×224.

        Raises:
            UserError: the image is too small or has not three channels.
        """
        images = check_images(f"{'se_' if self.squeeze else ''}resnet{self.depth}", images, SMALLEST_IMAGE)
        x = stem(images.astype(self.dtype or images.dtype), train)
        for number in range(1, 5):
            x = stage(x, train, self.depth, number, self.squeeze, self.zero_init_residual)
        x = global_average_pool(x)
        return Linear(self.num_classes, dtype=self.dtype, name="fc")(x) if self.num_classes else x

    def layer_of(self, path: str) -> int:
        """Returns the layer of a parameter for decay by layer: 0 before the blocks, then one a block."""
        module, blocks = path.partition("/")[0], STAGES[self.depth]
        if module.startswith("layer"):
            stage, block = map(int, module.removeprefix("layer").split("_"))
            return sum(blocks[: stage - 1]) + block + 1
        return 0 if module in ("conv1", "bn1") else sum(blocks) + 1


for _depth in STAGES:
    _facts = {"smallest": SMALLEST_IMAGE, "usual": USUAL_IMAGE, "depth": _depth}
    network(f"resnet{_depth}", source="He et al. (2016)", squeeze=False, **_facts)(ResNet)
    network(f"se_resnet{_depth}", source="Huang et al. (2023)", squeeze=True, **_facts)(ResNet)
