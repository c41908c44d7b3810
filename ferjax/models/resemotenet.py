"""ResEmoteNet (Roy et al., 2024): three convolutions, an SE block, three residual blocks, a classifier."""

from typing import Any

import flax.linen as nn
import numpy as np
from flax.typing import Dtype
from jaxtyping import Array, Float

from ferjax.errors import UserError, nearest
from ferjax.layers.conv import Conv
from ferjax.layers.linear import Linear
from ferjax.layers.norm import BatchNorm
from ferjax.layers.pooling import global_average_pool, max_pool_2x2
from ferjax.layers.squeeze_excitation import SqueezeExcitation
from ferjax.models.images import check_images
from ferjax.registry import network

# What `without` may name, in the words of the paper's table IV, and the channels that the part gives.
CONVOLUTIONS = {"conv64": 64, "conv128": 128, "conv256": 256}
RESIDUAL_BLOCKS = {"rb256": 512, "rb512": 1024, "rb1024": 2048}
# Each convolution is followed by a pool that halves the image.
SMALLEST_IMAGE = 2 ** len(CONVOLUTIONS)
REMOVABLE = ("conv64", "conv128", "se", "rb256", "rb512")


def removed(without: Any) -> tuple[str, ...]:
    """Lists the parts named in `without`.

    Raises:
        UserError: a part is unknown, named twice, or cannot be left out.
    """
    if not isinstance(without, str):
        raise UserError(f"resemotenet's without is {without!r}; it takes names separated by commas")
    parts = tuple(part.strip() for part in without.split(",") if part.strip())
    for number, part in enumerate(parts):
        if part in ("conv256", "rb1024"):
            reader = "the SE and residual blocks read" if part == "conv256" else "the classifier reads"
            raise UserError(f"resemotenet cannot be without {part}, whose channels {reader}")
        if part not in REMOVABLE:
            raise UserError(
                f"resemotenet has no part {part!r} (nearest: {nearest(part, REMOVABLE)}); without= takes "
                f"{', '.join(REMOVABLE)}"
            )
        if part in parts[:number]:
            raise UserError(f"without={without!r} names {part} twice")
    return parts


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions, the first with stride 2, beside a 1×1 shortcut with stride 2; section II-C."""

    features: int
    dtype: Dtype | None = None

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool
    ) -> Float[Array, "B (H+1)//2 (W+1)//2 {self.features}"]:
        """Halves the image, rounded up."""
        y = Conv(self.features, 3, stride=2, padding=1, dtype=self.dtype, name="conv1")(x)
        y = nn.relu(BatchNorm(name="bn1")(y, train))
        y = Conv(self.features, 3, padding=1, dtype=self.dtype, name="conv2")(y)
        y = BatchNorm(name="bn2")(y, train)
        shortcut = Conv(self.features, 1, stride=2, dtype=self.dtype, name="shortcut_conv")(x)
        shortcut = BatchNorm(name="shortcut_bn")(shortcut, train)
        return nn.relu(y + shortcut)


@network("resemotenet", smallest=SMALLEST_IMAGE, usual=64, source="Roy et al. (2024)")
class ResEmoteNet(nn.Module):
    """The network of the paper and of its authors' released code: 80,238,599 parameters with 7 classes.

    For the ablations of the paper's table IV, parts can be left out as a whole: a convolution with its batch
    normalisation, ReLU, pool and dropout, the SE block, or a residual block. Each part that stays keeps its
    name and its output channels, and reads the output of the part before it, whatever its size. The paper
    does not say how it left parts out.

    Attributes:
        num_classes: number of logits.
        without: parts that are left out, separated by commas: conv64, conv128, se, rb256, rb512. Residual
            blocks are named after the channels that they read, as in the paper.
        stem_dropout: rate after the first two pools; the third has none.
        head_dropout: rate after each hidden linear layer.
        dtype: compute dtype; the input's if None. Parameters and statistics are float32.
    """

    num_classes: int = 7
    without: Any = ""  # a str; what a config may have instead is refused below
    stem_dropout: float = 0.2
    head_dropout: float = 0.5
    dtype: Dtype | None = None

    def __post_init__(self) -> None:
        removed(self.without)
        super().__post_init__()

    @nn.compact
    def __call__(self, images: Float[Array | np.ndarray, "..."], train: bool = False) -> Float[Array, "B K"]:
        """Computes logits of normalised images `[B, H, W, 3]`; the paper's size is 64×64.

        Raises:
            UserError: the image is too small or has not three channels.
        """
        parts = removed(self.without)
        # A convolution that is left out takes its pool with it.
        images = check_images(
            "resemotenet", images, SMALLEST_IMAGE // 2 ** len(CONVOLUTIONS.keys() & set(parts))
        )
        x = images.astype(self.dtype or images.dtype)
        for stage, (name, features) in enumerate(CONVOLUTIONS.items(), start=1):
            if name in parts:
                continue
            x = Conv(features, 3, padding=1, dtype=self.dtype, name=f"conv{stage}")(x)
            x = BatchNorm(name=f"bn{stage}")(x, train)
            # ReLU after the pool: the same values, a quarter of the work.
            x = nn.relu(max_pool_2x2(x))
            if stage < 3:
                x = nn.Dropout(self.stem_dropout, deterministic=not train)(x)
        if "se" not in parts:
            x = SqueezeExcitation(dtype=self.dtype, name="se")(x)
        for block, (name, features) in enumerate(RESIDUAL_BLOCKS.items(), start=1):
            if name not in parts:
                x = ResidualBlock(features, dtype=self.dtype, name=f"res_block{block}")(x, train)
        x = global_average_pool(x)
        for layer, features in enumerate((1024, 512, 256), start=1):
            x = nn.relu(Linear(features, dtype=self.dtype, name=f"fc{layer}")(x))
            x = nn.Dropout(self.head_dropout, deterministic=not train)(x)
        return Linear(self.num_classes, dtype=self.dtype, name="fc4")(x)
