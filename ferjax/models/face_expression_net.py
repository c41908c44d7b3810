"""The expression network of face-api.js (Mühler, 2018).

No paper describes it; the layers are those of the package's source: four blocks of four convolutions, in
which each convolution reads the sum of the earlier ones, and a linear classifier. There is no normalisation.
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from flax.typing import Dtype
from jaxtyping import Array, Float

from ferjax.augment.normalisation import IMAGENET_MEAN, IMAGENET_STD
from ferjax.layers.conv import Conv
from ferjax.layers.linear import Linear
from ferjax.layers.pooling import global_average_pool
from ferjax.layers.separable import SeparableConv, same_pads
from ferjax.models.images import check_images
from ferjax.registry import network

USUAL_IMAGE = 112
BLOCKS = (32, 64, 128, 256)  # channels
CONVOLUTIONS = 4  # of a block
SMALLEST_IMAGE = 2 ** len(BLOCKS)
# What the package subtracts from red, green and blue of 0–255; then it divides by 255.
MEAN = (122.782, 117.001, 104.298)


def centred(images: Float[Array, "B H W 3"]) -> Float[Array, "B H W 3"]:
    """Turns ImageNet-normalised images into (pixel − mean) / 255 with the package's mean."""
    shift = np.asarray(IMAGENET_MEAN) - np.asarray(MEAN) / 255
    wide = images.astype(jnp.float32) * jnp.asarray(IMAGENET_STD) + jnp.asarray(shift)
    return wide.astype(images.dtype)


class SummedBlock(nn.Module):
    """Applies four 3×3 convolutions, the first with stride 2; each other reads the sum of those before.

    Attributes:
        features: output channels.
        full: the first convolution is a full one; otherwise it is separable, as the others.
        dtype: compute dtype; the input's if None.
    """

    features: int
    full: bool = False
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"]) -> Float[Array, "B H2 W2 {self.features}"]:
        """Computes the rectified sum of all four."""
        if self.full:
            x = jnp.pad(x, same_pads(x, kernel=3, stride=2))
            x = Conv(self.features, 3, stride=2, dtype=self.dtype, name="conv0")(x)
        else:
            x = SeparableConv(self.features, 2, use_bias=True, dtype=self.dtype, name="conv0")(x)
        total = nn.relu(x)
        for layer in range(1, CONVOLUTIONS):
            conv = SeparableConv(self.features, use_bias=True, dtype=self.dtype, name=f"conv{layer}")
            total = total + conv(nn.relu(total))
        return nn.relu(total)


@network("face_expression_net", smallest=SMALLEST_IMAGE, usual=USUAL_IMAGE, source="Mühler (2018)")
class FaceExpressionNet(nn.Module):
    """Applies four blocks of summed convolutions, global average pooling and a classifier.

    Weights fit images of any size; the package's is 112×112.

    Attributes:
        num_classes: number of logits.
        dtype: compute dtype; the input's if None. Parameters are float32.
    """

    num_classes: int = 7
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Float[Array | np.ndarray, "..."], train: bool = False) -> Float[Array, "B K"]:
        """Computes logits of normalised images `[B, H, W, 3]`; meant for 112×112.

        Raises:
            UserError: the image is too small or has not three channels.
        """
        images = check_images("face_expression_net", images, SMALLEST_IMAGE)
        x = centred(images).astype(self.dtype or images.dtype)
        for number, features in enumerate(BLOCKS):
            x = SummedBlock(features, full=number == 0, dtype=self.dtype, name=f"dense{number}")(x)
        return Linear(self.num_classes, dtype=self.dtype, name="fc")(global_average_pool(x))
