"""Deep-Emotion (Minaee & Abdolrashidi, 2019; Minaee et al., 2021): a spatial transformer before a small CNN.

docs/networks.md says what the paper leaves open. The default widths and the layers' order are those of a
public PyTorch version, https://github.com/omarsayed7/Deep-Emotion, so that its weights can be read.
"""

import flax.linen as nn
import numpy as np
from flax.typing import Dtype
from jaxtyping import Array, Float

from ferjax.augment.tone import luma
from ferjax.layers.conv import Conv
from ferjax.layers.flatten import flatten_channels_first
from ferjax.layers.linear import Linear
from ferjax.layers.norm import BatchNorm
from ferjax.layers.pooling import max_pool_2x2
from ferjax.layers.spatial_transformer import SpatialTransformer
from ferjax.models.images import check_images
from ferjax.registry import network

SMALLEST_IMAGE = 18  # leaves one pixel to each of the two parts
# From the paper: zero-mean Gaussian numbers with standard deviation 0.05.
INIT = {"kernel_init": nn.initializers.normal(0.05), "bias_init": nn.initializers.zeros}


@network(
    "attentional_cnn",
    smallest=SMALLEST_IMAGE,
    usual=48,
    source="Minaee & Abdolrashidi (2019); Minaee et al. (2021)",
)
class AttentionalCNN(nn.Module):
    """Sends a transformer's view through four 3×3 convolutions, two pools, dropout and two linear layers.

    The input is grey, so a coloured image's brightness is taken. The first linear layer reads all pixels:
    weights belong to the image size that they were made for.

    Attributes:
        num_classes: number of logits.
        features: channels of the four convolutions.
        hidden: outputs of the first linear layer.
        dropout: rate before it.
        dtype: compute dtype; the input's if None. Parameters and statistics are float32.
    """

    num_classes: int = 7
    features: int = 10
    hidden: int = 50
    dropout: float = 0.5
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Float[Array | np.ndarray, "..."], train: bool = False) -> Float[Array, "B K"]:
        """Computes logits of normalised images `[B, H, W, 3]`; the paper's size is 48×48.

        Raises:
            UserError: the image is too small or has not three channels.
        """
        images = check_images("attentional_cnn", images, SMALLEST_IMAGE)
        x = SpatialTransformer(
            (8, 10),
            kernel_sizes=(7, 5),
            same_size=False,
            kernel_init=INIT["kernel_init"],
            dtype=self.dtype,
            name="transformer",
        )(luma(images.astype(self.dtype or images.dtype)))
        for layer in (1, 2, 3, 4):
            x = Conv(self.features, 3, dtype=self.dtype, name=f"conv{layer}", **INIT)(x)
            if layer == 4:
                x = BatchNorm(name="norm")(x, train)
            # ReLU after the pool: the same values, a quarter of the work.
            x = nn.relu(max_pool_2x2(x) if layer in (2, 4) else x)
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        x = nn.relu(Linear(self.hidden, dtype=self.dtype, name="fc1", **INIT)(flatten_channels_first(x)))
        return Linear(self.num_classes, dtype=self.dtype, name="fc2", **INIT)(x)
