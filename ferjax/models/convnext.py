"""ConvNeXt (Liu et al., 2022), and EmoNeXt, the one for faces (El Boudouri & Bohi, 2023).

The layers have the names of the authors' code. EmoNeXt puts a spatial transformer before the network and
squeeze-and-excitation behind each of the three convolutions that halve the image, and adds the variance of a
self-attention's weights, between the pooled features of a batch, to the loss.
"""

import math
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.typing import Dtype
from jaxtyping import Array, Float

from ferjax.layers.auxiliary import losses_wanted, sow_loss
from ferjax.layers.conv import Conv
from ferjax.layers.depthwise import DepthwiseConv
from ferjax.layers.drop_path import DropPath, rising_rates
from ferjax.layers.layer_norm import LayerNorm
from ferjax.layers.linear import Linear
from ferjax.layers.pooling import global_average_pool
from ferjax.layers.spatial_transformer import SpatialTransformer
from ferjax.layers.squeeze_excitation import SqueezeExcitation
from ferjax.models.images import check_images
from ferjax.registry import network

SMALLEST_IMAGE = 32  # one quartering, three halvings
BLOCKS = (3, 3, 9, 3)  # of the four stages, ConvNeXt-T's
GROUP = 3  # blocks of the third stage that are one layer for decay by layer
NORMAL = nn.initializers.normal(0.02)
INIT = {"kernel_init": NORMAL, "bias_init": nn.initializers.zeros}
LOCALISATION, KERNELS = (8, 10), (7, 5)  # of EmoNeXt's spatial transformer


class Block(nn.Module):
    """Adds a 7×7 depthwise convolution, layer normalisation and an MLP, four times as wide, with GELU.

    Attributes:
        layer_scale: initial factor γ of each channel of what is added.
        drop_path: probability of leaving the block out in training.
        dtype: compute dtype.
    """

    layer_scale: float
    drop_path: float
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"], train: bool) -> Float[Array, "B H W C"]:
        """Computes the next feature maps."""
        channels = x.shape[-1]
        y = DepthwiseConv(7, padding=3, use_bias=True, dtype=self.dtype, name="dwconv", **INIT)(x)
        y = LayerNorm(name="norm")(y)
        y = jax.nn.gelu(Linear(4 * channels, dtype=self.dtype, name="pwconv1", **INIT)(y), approximate=False)
        y = Linear(channels, dtype=self.dtype, name="pwconv2", **INIT)(y)
        gamma = self.param("gamma", nn.initializers.constant(self.layer_scale), (channels,), jnp.float32)
        return x + DropPath(self.drop_path, name="drop_path")(y * jnp.asarray(gamma, y.dtype), train)


class BatchAttention(nn.Module):
    """EmoNeXt's regulariser: self-attention between the features of a batch, whose weights shall be even.

    The scores are divided by the fourth root of the width, as in the authors' code. Its values are computed
    there and thrown away; their layer is kept, so that the weights of files have a place.
    """

    @nn.compact
    def __call__(self, features: Float[Array, "B C"]) -> Float[Array, ""]:
        """Returns the variance of the weights softmax(Q Kᵀ / C^¼), `[B, B]`."""
        width = features.shape[-1]
        x = LayerNorm(1e-5, name="norm")(features)
        query, key = (Linear(width, name=name, **INIT)(x) for name in ("query", "key"))
        if self.is_initializing():
            Linear(width, name="value", **INIT)(x)
        scores = (query @ key.T) / math.sqrt(math.sqrt(width))
        weights = jax.nn.softmax(scores.astype(jnp.promote_types(scores.dtype, jnp.float32)))
        return jnp.var(weights)


@network("convnext_tiny", smallest=SMALLEST_IMAGE, usual=224, source="Liu et al. (2022)")
class ConvNeXt(nn.Module):
    """ConvNeXt-T: a 4×4 convolution of stride 4, then four stages with a halving before each but the first.

    Attributes:
        num_classes: number of logits.
        width: channels of the first stage; each further one has twice as many.
        layer_scale: initial factor of what each block adds.
        drop_path: probability of leaving the last block out in training; it rises along a line.
        dtype: compute dtype; the input's if None. Parameters are float32.
    """

    registered: ClassVar[str] = "convnext_tiny"
    squeeze: ClassVar[bool] = False

    num_classes: int = 7
    width: int = 96
    layer_scale: float = 1e-6
    drop_path: float = 0.1
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Float[Array | np.ndarray, "..."], train: bool = False) -> Float[Array, "B K"]:
        """Computes logits of normalised images `[B, H, W, 3]`; the papers' size is 224×224.

        Raises:
            UserError: the image is too small or has not three channels.
        """
        images = check_images(self.registered, images, SMALLEST_IMAGE)
        x = self._prepared(images.astype(self.dtype or images.dtype), train)
        rates = iter(rising_rates(self.drop_path, sum(BLOCKS)))
        for stage, blocks in enumerate(BLOCKS):
            x = self._downsampled(x, stage)
            for block in range(blocks):
                name = f"stages_{stage}_{block}"
                x = Block(self.layer_scale, next(rates), dtype=self.dtype, name=name)(x, train)
        x = LayerNorm(name="norm")(global_average_pool(x))
        self._regularised(x)
        return Linear(self.num_classes, dtype=self.dtype, name="head", **INIT)(x)

    def _prepared(self, images: Float[Array, "B H W 3"], train: bool) -> Float[Array, "B H W 3"]:
        """Returns what the first convolution reads."""
        del train
        return images

    def _regularised(self, features: Float[Array, "B C"]) -> None:
        """Adds a loss of the pooled features; ConvNeXt has none."""

    def _downsampled(self, x: Float[Array, "B H W C"], stage: int) -> Float[Array, "B h w C2"]:
        """Convolves what is normalised with a stride as long as the kernel; at first normalises after it."""
        name, side = f"downsample_layers_{stage}", 4 if stage == 0 else 2
        if stage:
            x = LayerNorm(name=f"{name}_norm")(x)
        features = self.width * 2**stage
        x = Conv(features, side, side, dtype=self.dtype, name=f"{name}_conv", **INIT)(x)
        if stage and self.squeeze:
            return SqueezeExcitation(kernel_init=NORMAL, dtype=self.dtype, name=f"{name}_se")(x)
        return x if stage else LayerNorm(name=f"{name}_norm")(x)

    def layer_of(self, path: str) -> int:
        """Returns the layer of a parameter for decay by layer.

        As in the authors' code for fine-tuning, 0 is the first convolution, a stage is a layer, and the third
        stage one for every three blocks; a halving belongs to the layer after it. There ConvNeXt-T's last
        stage is layer 12, as that of the deeper ones; here it follows the one before.
        """
        module = path.partition("/")[0]
        deep = -(-BLOCKS[2] // GROUP)
        if module.startswith("downsample_layers_"):
            stage = int(module.split("_")[2])
            return (0, 2, 3, 3 + deep)[stage]
        if module.startswith("stages_"):
            stage, block = map(int, module.split("_")[1:])
            return (1, 2, 3 + block // GROUP, 3 + deep)[stage]
        return 0 if module == "stn" else 4 + deep


@network("emonext_tiny", smallest=SMALLEST_IMAGE, usual=224, source="El Boudouri & Bohi (2023)")
class EmoNeXt(ConvNeXt):
    """EmoNeXt-T: ConvNeXt-T that turns and cuts its images first, and weighs channels.

    The localisation network's first linear layer reads all pixels, so weights belong to an image size. The
    variance of the attention's weights is sown as `losses/attention_variance`, where losses are collected.
    """

    registered: ClassVar[str] = "emonext_tiny"
    squeeze: ClassVar[bool] = True

    def _prepared(self, images: Float[Array, "B H W 3"], train: bool) -> Float[Array, "B H W 3"]:
        transformer = SpatialTransformer(
            LOCALISATION,
            KERNELS,
            same_size=False,
            norm=True,
            align_corners=True,
            kernel_init=NORMAL,
            dtype=self.dtype,
            name="stn",
        )
        return transformer(images, train)

    def _regularised(self, features: Float[Array, "B C"]) -> None:
        if not losses_wanted(self):
            return
        variance = BatchAttention(name="attention")(features)
        sow_loss(self, "attention_variance", jnp.broadcast_to(variance, features.shape[:1]))
