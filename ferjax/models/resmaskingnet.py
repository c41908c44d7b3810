"""The residual masking network (Pham et al., 2021): a ResNet-34 whose stages are weighed by U-Nets."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.typing import Dtype
from jaxtyping import Array, Float

from ferjax.augment.normalisation import IMAGENET_MEAN, IMAGENET_STD
from ferjax.errors import UserError
from ferjax.layers.linear import Linear
from ferjax.layers.norm import BatchNorm
from ferjax.layers.pooling import global_average_pool, max_pool_2x2
from ferjax.layers.upsampling import DoublingConv
from ferjax.models import resnet
from ferjax.models.images import check_images
from ferjax.registry import network

DEPTHS = (4, 3, 2, 1)  # scales of the masks after the four stages


class Up(nn.Module):
    """Doubles height and width, normalises and rectifies.

    Attributes:
        features: output channels.
        dtype: compute dtype.
    """

    features: int
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"], train: bool) -> Float[Array, "B 2*H 2*W {self.features}"]:
        """Computes the next feature maps."""
        x = DoublingConv(self.features, dtype=self.dtype, name="conv")(x)
        return nn.relu(BatchNorm(name="bn")(x, train))


class Mask(nn.Module):
    """A U-Net of residual blocks; a softmax over the channels ends it.

    Attributes:
        depth: its scales; the coarsest has 2^depth times the channels.
        dtype: compute dtype.
    """

    depth: int
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"], train: bool) -> Float[Array, "B H W C"]:
        """Computes the weight of each channel at each place; a place's weights sum to 1."""
        channels, dtype = x.shape[-1], x.dtype

        def block(x: Array, features: int, number: int) -> Array:
            # Its last normalisation starts at zero.
            made = resnet.ResidualBlock(
                features, zero_init_residual=True, dtype=self.dtype, name=f"conv{number}"
            )
            return made(x, train)

        skipped = []
        for number in range(1, self.depth + 1):
            x = block(x if number == 1 else max_pool_2x2(x), channels * 2**number, number)
            skipped.append(x)
        skipped.pop()
        for number in range(self.depth + 1, 2 * self.depth):
            features = channels * 2 ** (2 * self.depth - number)
            x = Up(features, dtype=self.dtype, name=f"up_pool{number}")(x, train)
            x = block(jnp.concatenate([x, skipped.pop()], axis=-1), features, number)
        x = block(x, channels, 2 * self.depth)
        return jax.nn.softmax(x.astype(jnp.promote_types(dtype, jnp.float32))).astype(dtype)


@network(
    "resmaskingnet", smallest=resnet.SMALLEST_IMAGE, usual=resnet.USUAL_IMAGE, source="Pham et al. (2021)"
)
class ResMaskingNet(nn.Module):
    """ResNet-34 where each stage's maps x become x·(1 + mask(x)).

    Attributes:
        num_classes: number of logits.
        width: channels of the first stage.
        dropout: rate before the classifier.
        unit_pixels: whether ImageNet's normalisation is undone first, so that pixels lie in [0, 1]; the
            authors' weights were trained on such.
        dtype: compute dtype; the input's if None. Parameters and statistics are float32.
    """

    num_classes: int = 7
    width: int = 64
    dropout: float = 0.4
    unit_pixels: bool = False
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Float[Array | np.ndarray, "..."], train: bool = False) -> Float[Array, "B K"]:
        """Computes logits of normalised images `[B, H, W, 3]`; the paper's size is 224×224.

        Raises:
            UserError: the image is too small, its sides are no multiples of 32, it has not three channels, or
                there is no width.
        """
        if self.width < 1:
            raise UserError(f"model.width is {self.width}; resmaskingnet takes at least 1")
        images = check_images("resmaskingnet", images, resnet.SMALLEST_IMAGE)
        height, width = images.shape[1:3]
        if height % 32 or width % 32:
            raise UserError(
                f"resmaskingnet halves images five times and doubles them again, which {height}×{width} does "
                "not take: set data.image_size to a multiple of 32"
            )
        if self.unit_pixels:
            images = images * jnp.asarray(IMAGENET_STD, images.dtype) + jnp.asarray(
                IMAGENET_MEAN, images.dtype
            )
        x = resnet.stem(images.astype(self.dtype or images.dtype), train, self.width)
        for number, depth in enumerate(DEPTHS, start=1):
            x = resnet.stage(x, train, 34, number, width=self.width)
            x = x * (1 + Mask(depth, dtype=self.dtype, name=f"mask{number}")(x, train))
        x = nn.Dropout(self.dropout, deterministic=not train)(global_average_pool(x))
        return Linear(self.num_classes, dtype=self.dtype, name="fc")(x)
