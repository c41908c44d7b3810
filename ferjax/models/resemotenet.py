"""ResEmoteNet (Roy et al., 2024): three convolutions, an SE block, three residual blocks, a classifier."""

import flax.linen as nn
from flax.typing import Dtype
from jax import Array

from ferjax.errors import UserError
from ferjax.layers.conv import Conv
from ferjax.layers.linear import Linear
from ferjax.layers.norm import BatchNorm
from ferjax.layers.pooling import global_average_pool, max_pool_2x2
from ferjax.layers.squeeze_excitation import SqueezeExcitation

SMALLEST_IMAGE = 8  # three halvings before the SE block


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions, the first with stride 2, beside a 1×1 shortcut with stride 2; section II-C."""

    features: int
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        """`[B, H, W, C]` to `[B, ⌈H/2⌉, ⌈W/2⌉, features]`."""
        y = Conv(self.features, 3, stride=2, padding=1, dtype=self.dtype, name="conv1")(x)
        y = nn.relu(BatchNorm(name="bn1")(y, train))
        y = Conv(self.features, 3, padding=1, dtype=self.dtype, name="conv2")(y)
        y = BatchNorm(name="bn2")(y, train)
        shortcut = Conv(self.features, 1, stride=2, dtype=self.dtype, name="shortcut_conv")(x)
        shortcut = BatchNorm(name="shortcut_bn")(shortcut, train)
        return nn.relu(y + shortcut)


class ResEmoteNet(nn.Module):
    """The network of the paper and of its authors' released code: 80,238,599 parameters with 7 classes.

    Attributes:
        num_classes: number of logits.
        stem_dropout: rate after the first two pools; the third has none.
        head_dropout: rate after each hidden linear layer.
        dtype: compute dtype; the input's if None. Parameters and statistics are float32.
    """

    num_classes: int = 7
    stem_dropout: float = 0.2
    head_dropout: float = 0.5
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Array, train: bool = False) -> Array:
        """Logits `[B, num_classes]` of normalised images `[B, H, W, 3]`; the paper's size is 64×64.

        Raises:
            UserError: the image is too small or has not three channels.
        """
        if images.ndim != 4 or images.shape[-1] != 3 or min(images.shape[1:3]) < SMALLEST_IMAGE:
            raise UserError(
                f"resemotenet takes images [B, H, W, 3] of at least {SMALLEST_IMAGE}×{SMALLEST_IMAGE}, "
                f"not {list(images.shape)}"
            )
        x = images.astype(self.dtype or images.dtype)
        for stage, features in enumerate((64, 128, 256), start=1):
            x = Conv(features, 3, padding=1, dtype=self.dtype, name=f"conv{stage}")(x)
            x = BatchNorm(name=f"bn{stage}")(x, train)
            # ReLU after the pool: the same values, a quarter of the work.
            x = nn.relu(max_pool_2x2(x))
            if stage < 3:
                x = nn.Dropout(self.stem_dropout, deterministic=not train)(x)
        x = SqueezeExcitation(dtype=self.dtype, name="se")(x)
        for block, features in enumerate((512, 1024, 2048), start=1):
            x = ResidualBlock(features, dtype=self.dtype, name=f"res_block{block}")(x, train)
        x = global_average_pool(x)
        for layer, features in enumerate((1024, 512, 256), start=1):
            x = nn.relu(Linear(features, dtype=self.dtype, name=f"fc{layer}")(x))
            x = nn.Dropout(self.head_dropout, deterministic=not train)(x)
        return Linear(self.num_classes, dtype=self.dtype, name="fc4")(x)
