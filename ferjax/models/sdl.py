"""Spatial deep learning (Khan, Singh & Agrawal, 2023): a plain CNN beside two spatial transformers.

docs/networks.md says which widths and wiring the paper leaves open.
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from flax.typing import Dtype
from jaxtyping import Array, Float

from ferjax.augment.tone import luma
from ferjax.layers.conv import Conv
from ferjax.layers.flatten import flatten_channels_first
from ferjax.layers.linear import Linear
from ferjax.layers.pooling import average_pool_2x2, max_pool_2x2
from ferjax.layers.spatial_transformer import SpatialTransformer
from ferjax.models.images import check_images
from ferjax.registry import network

SMALLEST_IMAGE = 16  # the baseline and the second localisation network halve four times
BASELINE = (32, 64, 128, 256)
LOCALISATION = (8, 16, 32)
# The paper's section 5: random Gaussian numbers with mean 0 and standard deviation 0.05.
INIT = {"kernel_init": nn.initializers.normal(0.05), "bias_init": nn.initializers.zeros}


class SpatialModule(nn.Module):
    """Spatial transformer → 3×3 convolution and ReLU → 2×2 average pool; section 3.1, figures 5 to 7."""

    features: int
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"]) -> Float[Array, "B H//2 W//2 {self.features}"]:
        """Transforms, convolves and pools."""
        x = SpatialTransformer(
            LOCALISATION,
            kernel_sizes=(3,) * len(LOCALISATION),
            kernel_init=INIT["kernel_init"],
            dtype=self.dtype,
            name="transformer",
        )(x)
        x = nn.relu(Conv(self.features, 3, padding=1, dtype=self.dtype, name="conv", **INIT)(x))
        return average_pool_2x2(x)


@network("sdl", smallest=SMALLEST_IMAGE, usual=48, source="Khan, Singh & Agrawal (2023)")
class SDL(nn.Module):
    """The network of the paper's figure 4; its input is grey, so a coloured image's brightness is taken.

    Its first linear layer reads all pixels: weights belong to the image size that they were made for.

    Attributes:
        num_classes: number of logits.
        hidden: outputs of the first of the two fully connected layers, whose weights `loss.l2` can name as
            `^fc1/kernel` and `^fc2/kernel`.
        dtype: compute dtype; the input's if None. Parameters are float32.
    """

    num_classes: int = 7
    hidden: int = 256
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Float[Array | np.ndarray, "..."], train: bool = False) -> Float[Array, "B K"]:
        """Computes logits of normalised images `[B, H, W, 3]`; the paper's size is 48×48.

        Raises:
            UserError: the image is too small or has not three channels.
        """
        images = check_images("sdl", images, SMALLEST_IMAGE)
        images = luma(images.astype(self.dtype or images.dtype))
        x = images
        for layer, features in enumerate(BASELINE, start=1):
            x = Conv(features, 3, padding=1, dtype=self.dtype, name=f"conv{layer}", **INIT)(x)
            x = nn.relu(max_pool_2x2(x))
        near = SpatialModule(16, dtype=self.dtype, name="sdl1")(images)
        near = SpatialModule(32, dtype=self.dtype, name="sdl2")(near)
        features = jnp.concatenate([flatten_channels_first(x), flatten_channels_first(near)], axis=-1)
        x = nn.relu(Linear(self.hidden, dtype=self.dtype, name="fc1", **INIT)(features))
        return Linear(self.num_classes, dtype=self.dtype, name="fc2", **INIT)(x)
