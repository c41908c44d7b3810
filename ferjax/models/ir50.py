"""Improved residual networks of face recognition (IR-50; Deng et al., 2019), as the trunk of POSTER++.

The published trunk ends after its third stage, and sees every image at 112×112.
"""

from functools import partial

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from flax.typing import Dtype
from jaxtyping import Array, Float

from ferjax.errors import UserError
from ferjax.layers.conv import Conv
from ferjax.layers.linear import Linear
from ferjax.layers.norm import BatchNorm
from ferjax.layers.pooling import global_average_pool
from ferjax.layers.prelu import PReLU
from ferjax.models.images import check_images
from ferjax.registry import network

# Units of the three stages, by the usual number of layers.
STAGES = {18: (2, 2, 2), 34: (3, 4, 6), 50: (3, 4, 14)}
WIDTH = 64  # channels of the first stage; each further one has twice as many
RESIZED = 112
SMALLEST_IMAGE = 32
USUAL_IMAGE = 224


def nearest(x: Float[Array, "B H W C"], size: int) -> Float[Array, "B {size} {size} C"]:
    """Resizes images as PyTorch's `interpolate` does by default: each pixel takes one pixel's value."""
    for axis in (1, 2):
        length = x.shape[axis]
        if length != size:
            places = np.floor(np.arange(size) * (length / size)).astype(np.int64).clip(0, length - 1)
            x = jnp.take(x, places, axis=axis)
    return x


class Unit(nn.Module):
    """Adds normalisation, 3×3 convolution, PReLU, 3×3 convolution and normalisation to a shortcut.

    Nothing rectifies the sum. Where the channels stay, the shortcut takes every `stride`-th place.

    Attributes:
        features: output channels.
        stride: of the second convolution.
        dtype: compute dtype.
    """

    features: int
    stride: int
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"], train: bool) -> Float[Array, "B H2 W2 {self.features}"]:
        """Divides height and width by the stride, rounded up."""
        conv = partial(Conv, self.features, use_bias=False, dtype=self.dtype)
        y = conv(3, padding=1, name="conv1")(BatchNorm(name="bn1")(x, train))
        y = conv(3, self.stride, 1, name="conv2")(PReLU(name="prelu")(y))
        y = BatchNorm(name="bn2")(y, train)
        if x.shape[-1] == self.features:
            return y + x[:, :: self.stride, :: self.stride]
        shortcut = conv(1, self.stride, name="shortcut_conv")(x)
        return y + BatchNorm(name="shortcut_bn")(shortcut, train)


def feature_maps(x: Float[Array, "B H W 3"], train: bool, depth: int) -> list[Float[Array, "B _ _ _"]]:
    """Applies all convolutions of the calling module.

    Returns:
        Maps of 64, 128 and 256 channels of half, a 4th and an 8th of the height and the width.

    Raises:
        UserError: there is no such depth.
    """
    if depth not in STAGES:
        raise UserError(f"model.depth is {depth}; it takes {', '.join(map(str, STAGES))}")
    x = Conv(WIDTH, 3, padding=1, use_bias=False, dtype=x.dtype, name="input_conv")(x)
    x = PReLU(name="input_prelu")(BatchNorm(name="input_bn")(x, train))
    maps = []
    for number, units in enumerate(STAGES[depth], start=1):
        for unit in range(units):
            features, stride = WIDTH * 2 ** (number - 1), 1 if unit else 2
            x = Unit(features, stride, dtype=x.dtype, name=f"body{number}_{unit}")(x, train)
        maps.append(x)
    return maps


@network("ir50", smallest=SMALLEST_IMAGE, usual=USUAL_IMAGE, source="Deng et al. (2019)")
class IR50(nn.Module):
    """The trunk of POSTER++, the mean over the last maps, and a linear classifier.

    Attributes:
        num_classes: number of logits.
        depth: 18, 34 or 50, the layers that the network would have with its fourth stage.
        resized: pixels, both sides, at which the images are looked at; other sizes are resized, pixel by
            pixel as the authors do.
        dtype: compute dtype; the input's if None. Parameters and statistics are float32.
    """

    num_classes: int = 7
    depth: int = 50
    resized: int = RESIZED
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Float[Array | np.ndarray, "..."], train: bool = False) -> Float[Array, "B K"]:
        """Computes logits of normalised images `[B, H, W, 3]`.

        Raises:
            UserError: the image is too small or has not three channels, or an option cannot be.
        """
        if self.resized < 8:
            raise UserError(f"model.resized is {self.resized}; ir50 halves images three times: at least 8")
        images = check_images("ir50", images, SMALLEST_IMAGE)
        x = nearest(images.astype(self.dtype or images.dtype), self.resized)
        x = feature_maps(x, train, self.depth)[-1]
        return Linear(self.num_classes, dtype=self.dtype, name="fc")(global_average_pool(x))
