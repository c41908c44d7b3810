"""FaceNet2ExpNet (Ding et al., 2017), alone and behind RAN's regions, as the proposal joins them.

A small expression net first learns to reproduce the features of a frozen face net (loss `face_features`,
without cross entropy); then dense layers are put on top, and all but the face net is trained with cross
entropy. These are two stages of one recipe, see `configs/facenet2expnet.py`. The face net belongs to the
network in both, and is computed only where its loss is collected.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.typing import Dtype
from jaxtyping import Array, Float

from ferjax.layers.auxiliary import losses_wanted, sow_loss
from ferjax.layers.conv import Conv
from ferjax.layers.init import HE_FAN_OUT
from ferjax.layers.linear import Linear
from ferjax.layers.norm import BatchNorm
from ferjax.layers.pooling import global_average_pool, max_pool_2x2
from ferjax.layers.regions import RegionAttention
from ferjax.models.facenet import SMALLEST_IMAGE, TRUNK_FEATURES, USUAL_IMAGE, FaceFeatures
from ferjax.models.images import check_images
from ferjax.models.ran import check_alpha, region_features
from ferjax.registry import network

# Channels of the five convolutions as multiples of `width`.
STAGES = (1, 2, 4, 8, 8)


class ExpressionNet(nn.Module):
    """Applies five 3×3 convolutions with batch normalisation, ReLU and 2×2 max pool, and a 1×1 convolution.

    The last one gives as many signed features as the face net's trunk, averaged over the grid.

    Attributes:
        width: channels of the first convolution.
        dtype: compute dtype.
    """

    width: int = 64
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Float[Array, "B H W 3"], train: bool) -> Float[Array, "B 1792"]:
        """Computes features of images, H and W at least 32."""
        x = images.astype(self.dtype or images.dtype)
        for stage, multiple in enumerate(STAGES, start=1):
            conv = Conv(
                multiple * self.width,
                3,
                padding=1,
                use_bias=False,
                dtype=self.dtype,
                kernel_init=HE_FAN_OUT,
                name=f"conv{stage}",
            )
            # ReLU after the pool: the same values, a quarter of the work.
            x = nn.relu(max_pool_2x2(BatchNorm(name=f"bn{stage}")(conv(x), train)))
        return global_average_pool(Conv(TRUNK_FEATURES, 1, dtype=self.dtype, name="top")(x))


def _classify(
    x: Array, num_classes: int, hidden: int, dropout: float, dtype: Dtype | None, train: bool
) -> Array:
    """Applies a hidden dense layer with ReLU and dropout, and the classifier, of the calling module."""
    x = nn.relu(Linear(hidden, dtype=dtype, name="fc1")(x))
    x = nn.Dropout(dropout, deterministic=not train)(x)
    return Linear(num_classes, dtype=dtype, name="fc2")(x)


def _match_face_features(module: nn.Module, face_net: nn.Module, images: Array, features: Array) -> None:
    """Sows the mean squared error between the expression net's `[B, 1792]` and the frozen face net's."""
    if losses_wanted(module):
        # Evaluated, never trained: neither its weights nor its statistics change.
        target = jax.lax.stop_gradient(face_net(images, train=False))
        sow_loss(module, "face_features", jnp.square(features - target).mean(axis=-1))


@network("facenet2expnet", smallest=SMALLEST_IMAGE, usual=USUAL_IMAGE, source="Ding et al. (2017)")
class FaceNet2ExpNet(nn.Module):
    """Classifies by an expression net and dense layers; holds the face net that it learns from first.

    Attributes:
        num_classes: number of logits.
        width: channels of the expression net's first convolution.
        hidden: outputs of the dense layer.
        dropout: rate after the dense layer.
        fixed_standardisation: of the face net, see `ferjax.models.facenet.FaceNet`.
        dtype: compute dtype; the input's if None. Parameters and statistics are float32.
    """

    num_classes: int = 7
    width: int = 64
    hidden: int = 256
    dropout: float = 0.5
    fixed_standardisation: bool = False
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Float[Array | np.ndarray, "..."], train: bool = False) -> Float[Array, "B K"]:
        """Computes logits of normalised images `[B, H, W, 3]`.

        Raises:
            UserError: the image is too small for the face net or has not three channels.
        """
        images = check_images("facenet2expnet", images, SMALLEST_IMAGE)
        x = ExpressionNet(self.width, dtype=self.dtype, name="expression_net")(images, train)
        face_net = FaceFeatures(self.fixed_standardisation, dtype=self.dtype, name="face_net")
        _match_face_features(self, face_net, images, x)
        return _classify(x, self.num_classes, self.hidden, self.dropout, self.dtype, train)


@network(
    "ran_facenet2expnet",
    smallest=SMALLEST_IMAGE,
    usual=USUAL_IMAGE,
    source="Wang et al. (2020); Ding et al. (2017)",
)
class RANFaceNet2ExpNet(FaceNet2ExpNet):
    """Feeds RAN's weighted regions to FaceNet2ExpNet's dense layers: the proposal's joint model.

    The expression net is RAN's backbone; its features of the whole image are matched with the face net's.
    Auxiliary losses: `face_features` for the first stage, `region_bias` for the second.

    Attributes:
        alpha: α of the region-bias loss, within [0, 1].
        others: see `FaceNet2ExpNet`.
    """

    alpha: float = 0.02

    @nn.compact
    def __call__(self, images: Float[Array | np.ndarray, "..."], train: bool = False) -> Float[Array, "B K"]:
        """Computes logits of normalised images `[B, H, W, 3]`.

        Raises:
            UserError: the image is too small for the face net or has not three channels, or α cannot be.
        """
        check_alpha("ran_facenet2expnet", self.alpha)
        images = check_images("ran_facenet2expnet", images, SMALLEST_IMAGE)
        expression_net = ExpressionNet(self.width, dtype=self.dtype, name="expression_net")
        features = region_features(expression_net, images, train)
        face_net = FaceFeatures(self.fixed_standardisation, dtype=self.dtype, name="face_net")
        _match_face_features(self, face_net, images, features[:, 0])
        x = RegionAttention(self.alpha, dtype=self.dtype, name="attention")(features)
        return _classify(x, self.num_classes, self.hidden, self.dropout, self.dtype, train)
