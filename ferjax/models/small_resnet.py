"""A small residual network for faces of 40×40 or 48×48 pixels, ferjax's own: 1.2 million parameters.

ImageNet's residual networks divide the image by four before their first block, which leaves 12×12 pixels of a
FER2013 face. Here the first block sees 24×24, and the last one 6×6.
"""

import flax.linen as nn
import numpy as np
from flax.typing import Dtype
from jaxtyping import Array, Float

from ferjax.layers.conv import Conv
from ferjax.layers.init import HE_FAN_OUT
from ferjax.layers.linear import Linear
from ferjax.layers.norm import BatchNorm
from ferjax.layers.pooling import global_average_pool, max_pool_2x2
from ferjax.models.images import check_images
from ferjax.models.resnet import ResidualBlock
from ferjax.registry import network

# Channels and residual blocks of the stages; each but the first halves the image.
STAGES = ((48, 1), (96, 2), (256, 1))
SMALLEST_IMAGE = 2 ** len(STAGES)


@network("small_resnet", smallest=SMALLEST_IMAGE, usual=48, source="ferjax (2026)")
class SmallResNet(nn.Module):
    """Applies a 3×3 convolution, a 2×2 max pool, four residual blocks and a classifier.

    Attributes:
        num_classes: number of logits.
        dropout: rate before the classifier.
        dtype: compute dtype; the input's if None. Parameters and statistics are float32.
    """

    num_classes: int = 7
    dropout: float = 0.2
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Float[Array | np.ndarray, "..."], train: bool = False) -> Float[Array, "B K"]:
        """Computes logits of normalised images `[B, H, W, 3]`; meant for 40×40 to 48×48.

        Raises:
            UserError: the image is too small or has not three channels.
        """
        images = check_images("small_resnet", images, SMALLEST_IMAGE)
        x = images.astype(self.dtype or images.dtype)
        x = Conv(32, 3, padding=1, use_bias=False, dtype=self.dtype, kernel_init=HE_FAN_OUT, name="conv1")(x)
        x = nn.relu(max_pool_2x2(BatchNorm(name="bn1")(x, train)))
        for stage, (features, blocks) in enumerate(STAGES, start=1):
            for block in range(blocks):
                x = ResidualBlock(
                    features=features,
                    stride=2 if stage > 1 and block == 0 else 1,
                    dtype=self.dtype,
                    name=f"layer{stage}_{block}",
                )(x, train)
        x = nn.Dropout(self.dropout, deterministic=not train)(global_average_pool(x))
        return Linear(self.num_classes, dtype=self.dtype, name="fc")(x)
