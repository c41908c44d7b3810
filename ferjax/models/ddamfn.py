"""DDAMFN: a dual-direction attention mixed feature network (Zhang et al., 2023).

Inverted residual blocks as MobileFaceNet's, whose depthwise convolutions mix several kernel sizes and whose
channels are then weighed by row and by column (coordinate attention; Hou et al., 2021). Two heads weigh the
last maps by row and by column too; a loss pushes them apart.
"""

import math
from collections.abc import Mapping
from itertools import combinations

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.typing import Dtype
from jaxtyping import Array, Float

from ferjax.errors import UserError
from ferjax.layers.auxiliary import losses_wanted, sow_loss
from ferjax.layers.conv import Conv
from ferjax.layers.depthwise import DepthwiseConv
from ferjax.layers.linear import Linear
from ferjax.layers.norm import BatchNorm
from ferjax.models.images import check_images
from ferjax.models.mobilefacenet import FEATURES, SMALLEST_IMAGE, USUAL_IMAGE, ConvBlock
from ferjax.registry import network

# Name → (output channels, channels by kernel size, stride, blocks); several blocks are residual ones.
BLOCKS = {
    "conv_23": (64, {3: 64, 5: 32, 7: 32}, 2, 1),
    "conv_3": (64, {3: 96, 5: 32}, 1, 9),
    "conv_34": (128, {3: 128, 5: 64, 7: 64}, 2, 1),
    "conv_4": (128, {3: 192, 5: 64}, 1, 16),
    "conv_45": (256, {3: 256, 5: 256, 7: 256, 9: 256}, 2, 1),
    "conv_5": (256, {3: 172, 5: 170, 7: 170}, 1, 6),
}
MOST_HEADS = 8
REDUCTION = 32  # of the channels inside coordinate attention, which has at least 8


class MixedDepthwiseConv(nn.Module):
    """Convolves groups of channels with kernels of different sizes, each channel alone.

    Attributes:
        split: kernel size → channels, in the order of the channels.
        stride: on both axes.
        dtype: compute dtype.
    """

    split: Mapping[int, int]
    stride: int
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"]) -> Float[Array, "B H2 W2 C"]:
        """Divides height and width by the stride, rounded up."""
        parts, first = [], 0
        for number, (size, channels) in enumerate(self.split.items()):
            conv = DepthwiseConv(size, self.stride, size // 2, dtype=self.dtype, name=f"conv{number}")
            parts.append(conv(x[..., first : first + channels]))
            first += channels
        return jnp.concatenate(parts, axis=-1)


class Gates(nn.Module):
    """Turns what is known of each row and of each column into gates in (0, 1), by one hidden layer for both.

    Attributes:
        dtype: compute dtype.
    """

    dtype: Dtype | None = None

    @nn.compact
    def __call__(
        self, rows: Float[Array, "B H 1 C"], columns: Float[Array, "B 1 W C"], train: bool
    ) -> Float[Array, "B H W C"]:
        """Computes the product of a row's and a column's gate for each place."""
        height, channels = rows.shape[1], rows.shape[-1]
        joined = jnp.concatenate([rows, columns.transpose(0, 2, 1, 3)], axis=1)
        hidden = Conv(max(8, channels // REDUCTION), 1, dtype=self.dtype, name="conv1")(joined)
        hidden = jax.nn.hard_swish(BatchNorm(name="bn1")(hidden, train))
        by_row = nn.sigmoid(Conv(channels, 1, dtype=self.dtype, name="conv2")(hidden[:, :height]))
        by_column = nn.sigmoid(Conv(channels, 1, dtype=self.dtype, name="conv3")(hidden[:, height:]))
        return by_row * by_column.transpose(0, 2, 1, 3)


class MixedBlock(nn.Module):
    """Applies 1×1, mixed depthwise convolutions, coordinate attention and 1×1.

    Attributes:
        features: output channels.
        split: see `MixedDepthwiseConv`.
        stride: of the depthwise convolutions.
        residual: whether the input is added.
        dtype: compute dtype.
    """

    features: int
    split: Mapping[int, int]
    stride: int
    residual: bool
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"], train: bool) -> Float[Array, "B H2 W2 {self.features}"]:
        """Computes the next feature maps."""
        y = ConvBlock(sum(self.split.values()), dtype=self.dtype, name="conv")(x, train)
        y = MixedDepthwiseConv(self.split, self.stride, dtype=self.dtype, name="conv_dw")(y)
        means = y.mean(axis=2, keepdims=True), y.mean(axis=1, keepdims=True)
        y = y * Gates(dtype=self.dtype, name="CA")(*means, train)
        y = ConvBlock(self.features, rectified=False, dtype=self.dtype, name="project")(y, train)
        return x + y if self.residual else y


class Features(nn.Module):
    """All convolutions before the heads.

    Attributes:
        depth_multiplier: see `DDAMFN`.
        dtype: compute dtype.
    """

    depth_multiplier: float = 1.0
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Float[Array, "B H W 3"], train: bool) -> Float[Array, "B h w 512"]:
        """Computes feature maps of a 16th of the height and the width."""
        x = images.astype(self.dtype or images.dtype)
        x = ConvBlock(64, 3, 2, 1, dtype=self.dtype, name="conv1")(x, train)
        x = ConvBlock(64, 3, 1, 1, depthwise=True, dtype=self.dtype, name="conv2_dw")(x, train)
        for name, (features, split, stride, blocks) in BLOCKS.items():
            residual = blocks > 1
            for number in range(math.ceil(self.depth_multiplier * blocks) if residual else 1):
                own = f"{name}_{number}" if residual else name
                x = MixedBlock(features, split, stride, residual, dtype=self.dtype, name=own)(x, train)
        return ConvBlock(FEATURES, dtype=self.dtype, name="conv_6_sep")(x, train)


class DirectionHead(nn.Module):
    """Weighs places by row and by column, each of which a convolution along it and a normalisation sum up.

    Attributes:
        dtype: compute dtype.
    """

    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"], train: bool) -> Float[Array, "B H W C"]:
        """Computes weights in (0, 1)."""
        _, height, width, channels = x.shape

        def along(kernel: tuple[int, int], name: str) -> Array:
            same = {"depthwise": True, "rectified": False, "dtype": self.dtype, "name": name}
            return ConvBlock(channels, kernel, **same)(x, train)

        gates = Gates(dtype=self.dtype, name="gates")
        return gates(along((1, width), "Linear_h"), along((height, 1), "Linear_w"), train)


def diversity(heads: list[Float[Array, "B H W C"]]) -> Float[Array, ""]:
    """Computes the attention loss of a batch: pairs / (sum of the pairs' mean squared differences)."""
    pairs = [
        jnp.square(one.astype(jnp.promote_types(one.dtype, jnp.float32)) - other).mean()
        for one, other in combinations(heads, 2)
    ]
    return len(pairs) / (jnp.stack(pairs).sum() + np.finfo(np.float64).eps)


@network("ddamfn", smallest=SMALLEST_IMAGE, usual=USUAL_IMAGE, source="Zhang et al. (2023)")
class DDAMFN(nn.Module):
    """Mixed feature network with dual-direction attention heads, of which the larger weight counts.

    Three of its layers are as large as the last maps, so the weights belong to images of one size, 112×112 in
    the authors' files. The loss `diversity` is added in training.

    Attributes:
        num_classes: number of logits.
        heads: attention heads, from 1 to 8.
        diversity: weight of the loss that pushes the heads apart; the authors' is 0.1.
        depth_multiplier: part of each stage's residual blocks that is built, rounded up to whole blocks; 1 as
            the authors, less for few or small images.
        dtype: compute dtype; the input's if None. Parameters and statistics are float32.
    """

    num_classes: int = 7
    heads: int = 2
    diversity: float = 0.1
    depth_multiplier: float = 1.0
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Float[Array | np.ndarray, "..."], train: bool = False) -> Float[Array, "B K"]:
        """Computes logits of normalised images `[B, H, W, 3]`.

        Raises:
            UserError: the image is too small or has not three channels, there are no heads or too many, or
                the depth multiplier is not above 0 and at most 1.
        """
        if not 1 <= self.heads <= MOST_HEADS:
            raise UserError(f"model.heads is {self.heads}; ddamfn takes 1 to {MOST_HEADS}")
        if not 0 < self.depth_multiplier <= 1:
            raise UserError(
                f"model.depth_multiplier is {self.depth_multiplier}; it must be above 0, at most 1"
            )
        images = check_images("ddamfn", images, SMALLEST_IMAGE)
        x = Features(self.depth_multiplier, dtype=self.dtype, name="features")(images, train)
        heads = [
            DirectionHead(dtype=self.dtype, name=f"cat_head{number}")(x, train)
            for number in range(self.heads)
        ]
        weights = heads[0]
        for head in heads[1:]:
            weights = jnp.maximum(weights, head)
        if self.diversity and len(heads) > 1 and losses_wanted(self):
            sow_loss(self, "diversity", self.diversity * diversity(heads))
        size = (x.shape[1], x.shape[2])
        whole = ConvBlock(FEATURES, size, depthwise=True, rectified=False, dtype=self.dtype, name="Linear")
        x = whole(x * weights, train)[:, 0, 0]
        return Linear(self.num_classes, dtype=self.dtype, name="fc")(x)
