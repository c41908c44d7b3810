"""A plain CNN for expressions: the baseline of the RAN + FaceNet2ExpNet proposal (there: Uçar, 2017).

The proposal only names it; docs/networks.md says what ferjax chose.
"""

import flax.linen as nn
import numpy as np
from flax.typing import Dtype
from jaxtyping import Array, Float

from ferjax.layers.conv import Conv
from ferjax.layers.flatten import flatten_channels_first
from ferjax.layers.linear import Linear
from ferjax.layers.pooling import max_pool_2x2
from ferjax.models.images import check_images
from ferjax.registry import network

CHANNELS = (32, 64, 128)
SMALLEST_IMAGE = 2 ** len(CHANNELS)


@network("fer_cnn", smallest=SMALLEST_IMAGE, usual=48, source="Uçar (2017)")
class FERCNN(nn.Module):
    """Applies three times (5×5 convolution, ReLU, 2×2 max pool), a hidden linear layer and a classifier.

    No normalisation, no attention, no shortcut. The hidden layer reads all pixels: weights belong to the
    image size that they were made for.

    Attributes:
        num_classes: number of logits.
        hidden: outputs of the hidden linear layer.
        dropout: rate after it.
        dtype: compute dtype; the input's if None. Parameters are float32.
    """

    num_classes: int = 7
    hidden: int = 256
    dropout: float = 0.5
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Float[Array | np.ndarray, "..."], train: bool = False) -> Float[Array, "B K"]:
        """Computes logits of normalised images `[B, H, W, 3]`; meant for 48×48.

        Raises:
            UserError: the image is too small or has not three channels.
        """
        images = check_images("fer_cnn", images, SMALLEST_IMAGE)
        x = images.astype(self.dtype or images.dtype)
        for layer, features in enumerate(CHANNELS, start=1):
            x = Conv(features, 5, padding=2, dtype=self.dtype, name=f"conv{layer}")(x)
            x = nn.relu(max_pool_2x2(x))
        x = nn.relu(Linear(self.hidden, dtype=self.dtype, name="fc1")(flatten_channels_first(x)))
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return Linear(self.num_classes, dtype=self.dtype, name="fc2")(x)
