"""Distract your attention: a multi-head cross attention network (DAN; Wen et al., 2023).

Four heads look at the features of a ResNet-18, each for places and then for channels. An affinity loss pulls
the features of a class to a learnt centre, a partition loss pushes the heads apart.
"""

from functools import partial

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from flax.typing import Dtype
from jaxtyping import Array, Float

from ferjax.layers.auxiliary import losses_wanted, sow_loss
from ferjax.layers.conv import Conv
from ferjax.layers.init import HE_FAN_OUT
from ferjax.layers.linear import Linear
from ferjax.layers.norm import BatchNorm
from ferjax.layers.pooling import global_average_pool
from ferjax.models import resnet
from ferjax.models.images import check_images
from ferjax.registry import network

HEADS = 4
FEATURES = 512  # of the trunk
_ZEROS = nn.initializers.zeros
_SMALL = nn.initializers.normal(1e-3)


class Trunk(nn.Module):
    """A ResNet-18 up to its last feature maps.

    Attributes:
        dtype: compute dtype.
    """

    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Float[Array, "B H W 3"], train: bool) -> Float[Array, "B h w 512"]:
        """Computes feature maps of a 32nd of the height and the width."""
        x = resnet.stem(images.astype(self.dtype or images.dtype), train)
        for number in range(1, 5):
            x = resnet.stage(x, train, 18, number)
        return x


class SpatialAttention(nn.Module):
    """Multiplies the features with one map: the channels' sum of three rectified convolutions.

    Attributes:
        dtype: compute dtype.
    """

    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"], train: bool) -> Float[Array, "B H W C"]:
        """Weighs the places; the weights are at least 0 and have no upper bound."""
        conv = partial(Conv, dtype=self.dtype, kernel_init=HE_FAN_OUT, bias_init=_ZEROS)
        channels = x.shape[-1]
        y = BatchNorm(name="bn_1x1")(conv(channels // 2, 1, name="conv_1x1")(x), train)
        total = jnp.zeros((), y.dtype)
        for rows, columns in ((3, 3), (1, 3), (3, 1)):
            name, padding = f"{rows}x{columns}", (rows // 2, columns // 2)
            branch = conv(channels, (rows, columns), padding=padding, name=f"conv_{name}")(y)
            total = total + BatchNorm(name=f"bn_{name}")(branch, train)
        return x * nn.relu(total).sum(axis=-1, keepdims=True)


class ChannelAttention(nn.Module):
    """Averages over the places and multiplies the channels with gates in (0, 1).

    Attributes:
        dtype: compute dtype.
    """

    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"], train: bool) -> Float[Array, "B C"]:
        """Computes a vector of each image."""
        linear = partial(Linear, dtype=self.dtype, kernel_init=_SMALL, bias_init=_ZEROS)
        mean = global_average_pool(x)
        y = nn.relu(BatchNorm(name="bn")(linear(x.shape[-1] // 16, name="fc1")(mean), train))
        return mean * nn.sigmoid(linear(x.shape[-1], name="fc2")(y))


class CrossAttentionHead(nn.Module):
    """Spatial attention, then channel attention.

    Attributes:
        dtype: compute dtype.
    """

    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"], train: bool) -> Float[Array, "B C"]:
        """Computes a vector of each image."""
        x = SpatialAttention(dtype=self.dtype, name="sa")(x, train)
        return ChannelAttention(dtype=self.dtype, name="ca")(x, train)


def affinities(features: Float[Array, "B F"], centres: Float[Array, "K F"]) -> Float[Array, "B K"]:
    """Computes the affinity loss of each example for each class: equation 2 of the paper.

    Returns:
        Squared distances to the centres, divided by the sum over the features of the variance between the
        centres (unbiased, over classes).
    """
    wide = features.astype(jnp.promote_types(features.dtype, jnp.float32))
    distances = jnp.square(wide[:, None] - centres).sum(axis=-1)
    return distances / centres.var(axis=0, ddof=1).sum()


def partition(heads: Float[Array, "B N C"]) -> Float[Array, ""]:
    """Computes the partition loss of a batch: log(1 + N / mean variance between its N heads)."""
    wide = heads.astype(jnp.promote_types(heads.dtype, jnp.float32))
    variance = wide.var(axis=1, ddof=1).mean()
    return jnp.log1p(heads.shape[1] / (variance + np.finfo(np.float64).eps))


@network("dan", smallest=resnet.SMALLEST_IMAGE, usual=resnet.USUAL_IMAGE, source="Wen et al. (2023)")
class DAN(nn.Module):
    """Four cross-attention heads on a ResNet-18; batch normalisation comes last, on the logits.

    Its losses `affinity` and `partition` are added in training. The centres of the first are a parameter that
    nothing else reads.

    Attributes:
        num_classes: number of logits; with the affinity loss at least 2.
        affinity: weight of the affinity loss; 0: there are no centres.
        partition: weight of the partition loss.
        dtype: compute dtype; the input's if None. Parameters and statistics are float32.
    """

    num_classes: int = 7
    affinity: float = 1.0
    partition: float = 1.0
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Float[Array | np.ndarray, "..."], train: bool = False) -> Float[Array, "B K"]:
        """Computes logits of normalised images `[B, H, W, 3]`; the paper's size is 224×224.

        Raises:
            UserError: the image is too small or has not three channels.
        """
        images = check_images("dan", images, resnet.SMALLEST_IMAGE)
        x = Trunk(dtype=self.dtype, name="features")(images, train)
        heads = jnp.stack(
            [
                CrossAttentionHead(dtype=self.dtype, name=f"cat_head{number}")(x, train)
                for number in range(HEADS)
            ],
            axis=1,
        )
        heads = nn.log_softmax(heads, axis=1)
        if losses_wanted(self):
            if self.affinity:
                shape = (self.num_classes, FEATURES)
                centres = self.param("centers", nn.initializers.normal(1.0), shape, jnp.float32)
                sow_loss(self, "affinity", self.affinity * affinities(global_average_pool(x), centres))
            sow_loss(self, "partition", self.partition * partition(heads))
        logits = Linear(self.num_classes, dtype=self.dtype, name="fc")(heads.sum(axis=1))
        return BatchNorm(name="bn")(logits, train)
