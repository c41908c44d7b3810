"""EfficientNets (Tan & Le, 2019) as TensorFlow pads them, the networks of HSEmotion (Savchenko, 2022).

The layers are those of timm's `tf_efficientnet_b0` and `_b2`: "same" padding with the odd row behind, batch
normalisation with ε = 10⁻³, swish, and squeeze-and-excitation blocks as wide as a quarter of what the block
around them is given.
"""

import math
from collections.abc import Iterator
from typing import ClassVar, NamedTuple

import flax.linen as nn
import numpy as np
from flax.typing import Dtype
from jaxtyping import Array, Float

from ferjax.errors import UserError
from ferjax.layers.conv import Conv
from ferjax.layers.depthwise import DepthwiseConv
from ferjax.layers.drop_path import DropPath, rising_rates
from ferjax.layers.init import HE_FAN_OUT
from ferjax.layers.linear import Linear
from ferjax.layers.norm import BatchNorm
from ferjax.layers.pooling import global_average_pool
from ferjax.layers.separable import pad_same
from ferjax.layers.squeeze_excitation import SqueezeExcitation
from ferjax.models.images import check_images
from ferjax.registry import network

EPSILON = 1e-3  # of batch normalisation
SMALLEST_IMAGE = 32  # five halvings
SQUEEZE = 4  # a block's input channels to hidden units
STEM, HEAD = 32, 1280
LARGEST = 8  # factor on width and depth; B7 has 2.0 and 3.1


class Stage(NamedTuple):
    """Blocks of one width, by table 1 of the paper.

    Attributes:
        expand: ratio of the depthwise convolution's channels to the block's.
        channels: of the block's result.
        blocks: how many; the first has the stride.
        stride: of the first depthwise convolution.
        kernel: its side.
    """

    expand: int
    channels: int
    blocks: int
    stride: int
    kernel: int


B0 = (
    Stage(1, 16, 1, 1, 3),
    Stage(6, 24, 2, 2, 3),
    Stage(6, 40, 2, 2, 5),
    Stage(6, 80, 3, 2, 3),
    Stage(6, 112, 3, 1, 5),
    Stage(6, 192, 4, 2, 5),
    Stage(6, 320, 1, 1, 3),
)


def scaled_channels(channels: int, width: float) -> int:
    """Scales channels to a multiple of 8 that is at least nine tenths of the product."""
    scaled = max(8, int(channels * width + 4) // 8 * 8)
    return scaled + 8 if scaled < 0.9 * channels * width else scaled


def stages(width: float, depth: float) -> tuple[Stage, ...]:
    """Returns the stages of B0, scaled in width and depth; section 3.3 of the paper."""
    return tuple(
        stage._replace(
            channels=scaled_channels(stage.channels, width), blocks=math.ceil(stage.blocks * depth)
        )
        for stage in B0
    )


def blocks(width: float, depth: float) -> Iterator[tuple[str, Stage, int]]:
    """Yields name, stage and stride of every block."""
    for number, stage in enumerate(stages(width, depth)):
        for block in range(stage.blocks):
            yield f"blocks_{number}_{block}", stage, stage.stride if block == 0 else 1


class InvertedBottleneck(nn.Module):
    """Widens with 1×1, convolves each channel, weighs channels, and narrows with 1×1 (Sandler et al., 2018).

    The input is added where the result has its shape. The first stage's blocks do not widen.

    Attributes:
        stage: see `Stage`.
        stride: of the depthwise convolution.
        drop_path: probability of leaving the block out in training, where its input is added.
        dtype: compute dtype.
    """

    stage: Stage
    stride: int
    drop_path: float
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"], train: bool) -> Float[Array, "B H2 W2 C2"]:
        """Divides height and width by the stride, rounded up."""
        stage, channels, layer = self.stage, x.shape[-1], 1

        def pointwise(y: Array, features: int, name: str) -> Array:
            nonlocal layer
            y = Conv(features, 1, use_bias=False, dtype=self.dtype, kernel_init=HE_FAN_OUT, name=name)(y)
            y = BatchNorm(epsilon=EPSILON, name=f"bn{layer}")(y, train)
            layer += 1
            return y

        y = nn.silu(pointwise(x, stage.expand * channels, "conv_pw")) if stage.expand > 1 else x
        y = DepthwiseConv(
            stage.kernel, self.stride, "same", dtype=self.dtype, kernel_init=HE_FAN_OUT, name="conv_dw"
        )(y)
        y = nn.silu(BatchNorm(epsilon=EPSILON, name=f"bn{layer}")(y, train))
        layer += 1
        y = SqueezeExcitation(
            hidden=channels // SQUEEZE, use_bias=True, activation=nn.silu, dtype=self.dtype, name="se"
        )(y)
        y = pointwise(y, stage.channels, "conv_pwl" if stage.expand > 1 else "conv_pw")
        if y.shape != x.shape:
            return y
        return x + DropPath(self.drop_path, name="drop_path")(y, train)


@network("efficientnet_b0", smallest=SMALLEST_IMAGE, usual=224, source="Tan & Le (2019)")
class EfficientNet(nn.Module):
    """EfficientNet-B0: seven stages of inverted bottlenecks, a 1×1 convolution, a mean and a classifier.

    Attributes:
        num_classes: number of logits.
        width: factor on all channels, which are rounded to multiples of 8.
        depth: factor on the blocks of each stage, rounded up.
        dropout: probability of dropping a feature before the classifier.
        drop_path: probability of leaving the last block out in training; it rises along a line.
        dtype: compute dtype; the input's if None. Parameters and statistics are float32.
    """

    registered: ClassVar[str] = "efficientnet_b0"

    num_classes: int = 7
    width: float = 1.0
    depth: float = 1.0
    dropout: float = 0.0
    drop_path: float = 0.0
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Float[Array | np.ndarray, "..."], train: bool = False) -> Float[Array, "B K"]:
        """Computes logits of normalised images `[B, H, W, 3]`.

        Raises:
            UserError: the image is too small or has not three channels, or a factor is out of range.
        """
        images = check_images(self.registered, images, SMALLEST_IMAGE)
        if not (0 < self.width <= LARGEST and 0 < self.depth <= LARGEST):
            raise UserError(
                f"model.width {self.width:g} and model.depth {self.depth:g} must be above 0 and at most "
                f"{LARGEST}"
            )
        x = pad_same(images.astype(self.dtype or images.dtype), 3, 2)
        stem, head = (scaled_channels(channels, self.width) for channels in (STEM, HEAD))
        x = Conv(stem, 3, 2, use_bias=False, dtype=self.dtype, kernel_init=HE_FAN_OUT, name="conv_stem")(x)
        x = nn.silu(BatchNorm(epsilon=EPSILON, name="bn1")(x, train))
        rows = list(blocks(self.width, self.depth))
        for (name, stage, stride), rate in zip(rows, rising_rates(self.drop_path, len(rows)), strict=True):
            x = InvertedBottleneck(stage, stride, rate, dtype=self.dtype, name=name)(x, train)
        x = Conv(head, 1, use_bias=False, dtype=self.dtype, kernel_init=HE_FAN_OUT, name="conv_head")(x)
        x = global_average_pool(nn.silu(BatchNorm(epsilon=EPSILON, name="bn2")(x, train)))
        x = nn.Dropout(self.dropout, name="drop")(x, deterministic=not train)
        return Linear(self.num_classes, dtype=self.dtype, name="classifier")(x)

    def layer_of(self, path: str) -> int:
        """Returns the layer of a parameter for decay by layer: 0 before the blocks, then one a block."""
        names = [name for name, *_ in blocks(self.width, self.depth)]
        module = path.partition("/")[0]
        if module in names:
            return names.index(module) + 1
        return 0 if module in ("conv_stem", "bn1") else len(names) + 1


@network("efficientnet_b2", smallest=SMALLEST_IMAGE, usual=260, source="Tan & Le (2019)")
class EfficientNetB2(EfficientNet):
    """EfficientNet-B2: wider by a tenth and deeper by a fifth; HSEmotion's images have 260×260 pixels."""

    registered: ClassVar[str] = "efficientnet_b2"

    width: float = 1.1
    depth: float = 1.2
