"""Region Attention Network (RAN; Wang et al., 2020), as the RAN + FaceNet2ExpNet proposal states it."""

from functools import partial

import flax.linen as nn
import numpy as np
from flax.typing import Dtype
from jaxtyping import Array, Float

from ferjax.errors import UserError
from ferjax.layers.linear import Linear
from ferjax.layers.regions import RegionAttention, crop_regions
from ferjax.models.images import check_images
from ferjax.models.resnet import SMALLEST_IMAGE, USUAL_IMAGE, ResNet
from ferjax.registry import network

BACKBONES = {
    f"{prefix}resnet{depth}": partial(ResNet, depth=depth, squeeze=bool(prefix))
    for prefix in ("", "se_")
    for depth in (18, 34, 50)
}


def region_features(
    backbone: nn.Module, images: Float[Array, "B H W 3"], train: bool
) -> Float[Array, "B 7 F"]:
    """Computes F_i of the whole image and the six crops.

    The backbone is called once on all 7·B views, so that batch normalisation sees them together.
    """
    regions = crop_regions(images)
    batch, count = regions.shape[:2]
    # The batch stays the leading axis: on a sharded one, every device keeps its own images' regions.
    features = backbone(regions.reshape(batch * count, *regions.shape[2:]), train)
    return features.reshape(batch, count, -1)


@network("ran", smallest=SMALLEST_IMAGE, usual=USUAL_IMAGE, source="Wang et al. (2020)")
class RAN(nn.Module):
    """Applies a shared backbone to the whole image and six crops, two attentions to these, and a classifier.

    The region-bias loss is sown for training; see `ferjax.layers.regions.RegionAttention`.

    Attributes:
        num_classes: number of logits.
        backbone: one of `BACKBONES`.
        alpha: α of the region-bias loss, within [0, 1]; Wang et al. use 0.02.
        dtype: compute dtype; the input's if None. Parameters and statistics are float32.
    """

    num_classes: int = 7
    backbone: str = "resnet18"
    alpha: float = 0.02
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Float[Array | np.ndarray, "..."], train: bool = False) -> Float[Array, "B K"]:
        """Computes logits of normalised images `[B, H, W, 3]`; the paper's size is 224×224.

        Raises:
            UserError: the image is too small or has not three channels, or an option cannot be.
        """
        if self.backbone not in BACKBONES:
            raise UserError(f"ran's backbone is {self.backbone!r}; it takes {', '.join(BACKBONES)}")
        check_alpha("ran", self.alpha)
        images = check_images("ran", images, SMALLEST_IMAGE)
        backbone = BACKBONES[self.backbone](num_classes=0, dtype=self.dtype, name="backbone")
        features = region_features(backbone, images, train)
        x = RegionAttention(self.alpha, dtype=self.dtype, name="attention")(features)
        return Linear(self.num_classes, dtype=self.dtype, name="fc")(x)


def check_alpha(name: str, alpha: float) -> None:
    """Checks that α lies in [0, 1], as every difference of two μ in (0, 1) does.

    Raises:
        UserError: α does not.
    """
    if not 0 <= alpha <= 1:
        raise UserError(f"{name}'s alpha is {alpha}; it must be at least 0 and at most 1")
