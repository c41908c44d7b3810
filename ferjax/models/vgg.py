"""VGG-16 and VGG-19 (Simonyan & Zisserman, 2015), with batch normalisation as an option, as torchvision's."""

import flax.linen as nn
import numpy as np
from flax.typing import Dtype, Initializer
from jaxtyping import Array, Float

from ferjax.errors import UserError
from ferjax.layers.conv import Conv
from ferjax.layers.flatten import flatten_channels_first
from ferjax.layers.init import HE_FAN_OUT
from ferjax.layers.linear import Linear
from ferjax.layers.norm import BatchNorm
from ferjax.layers.pooling import adaptive_average_pool, max_pool_2x2
from ferjax.models.images import check_images
from ferjax.registry import network

# 3×3 convolutions in each of the five stages, by the number of layers with weights.
STAGES = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
CHANNELS = (1, 2, 4, 8, 8)  # of the stages, as multiples of the first one's
SMALLEST_IMAGE = 32  # five halvings


class VGG(nn.Module):
    """VGG networks of 16 or 19 layers; `tests/models/test_registry.py` has their parameter counts.

    Attributes:
        depth: 16 or 19, the layers with weights.
        norm: whether batch normalisation follows every convolution.
        num_classes: number of logits.
        width: channels of the first stage.
        pooled: height and width to which features are averaged for the classifier. Smaller features are
            repeated, so that small images do better with a smaller number.
        hidden: width of the two hidden linear layers.
        dropout: rate after each hidden linear layer.
        dtype: compute dtype; the input's if None. Parameters and statistics are float32.
    """

    depth: int
    norm: bool = False
    num_classes: int = 7
    width: int = 64
    pooled: int = 7
    hidden: int = 4096
    dropout: float = 0.5
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Float[Array | np.ndarray, "..."], train: bool = False) -> Float[Array, "B K"]:
        """Computes logits of normalised images `[B, H, W, 3]`; the papers' size is 224×224.

        Raises:
            UserError: the image is too small or has not three channels, or an option is not positive.
        """
        name = f"vgg{self.depth}{'_bn' if self.norm else ''}"
        images = check_images(name, images, SMALLEST_IMAGE)
        for option in ("width", "pooled", "hidden"):
            if (value := getattr(self, option)) < 1:
                raise UserError(f"{name}'s {option} is {value}; it must be at least 1")
        zeros = nn.initializers.zeros
        x = images.astype(self.dtype or images.dtype)
        for stage, (layers, channels) in enumerate(zip(STAGES[self.depth], CHANNELS, strict=True), start=1):
            for layer in range(1, layers + 1):
                x = Conv(
                    self.width * channels, 3, padding=1, dtype=self.dtype,
                    kernel_init=HE_FAN_OUT, bias_init=zeros, name=f"conv{stage}_{layer}",
                )(x)  # fmt: skip
                if self.norm:
                    x = BatchNorm(name=f"bn{stage}_{layer}")(x, train)
                # ReLU after the pool: the same values, a quarter of the work.
                x = nn.relu(max_pool_2x2(x) if layer == layers else x)
        x = flatten_channels_first(adaptive_average_pool(x, self.pooled))
        for layer in (1, 2):
            x = Linear(
                self.hidden,
                dtype=self.dtype,
                kernel_init=_classifier_init(layer),
                bias_init=zeros,
                name=f"fc{layer}",
            )(x)
            x = nn.Dropout(self.dropout, deterministic=not train)(nn.relu(x))
        return Linear(
            self.num_classes, dtype=self.dtype, kernel_init=_classifier_init(3), bias_init=zeros, name="fc3"
        )(x)


for _depth in STAGES:
    for _name, _norm in ((f"vgg{_depth}", False), (f"vgg{_depth}_bn", True)):
        network(
            _name,
            smallest=SMALLEST_IMAGE,
            usual=224,
            source="Simonyan & Zisserman (2015)",
            depth=_depth,
            norm=_norm,
        )(VGG)


def _classifier_init(layer: int) -> Initializer:
    """Makes torchvision's N(0, 0.01) at torchvision's widths, and weights of as strong a signal at others.

    With 0.01, three narrow layers would let next to no signal through at first.
    """
    inputs = 512 * 7 * 7 if layer == 1 else 4096
    return nn.initializers.variance_scaling(0.01**2 * inputs, "fan_in", "normal")
