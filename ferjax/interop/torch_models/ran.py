"""RAN in PyTorch, written from the proposal's formulas; PyTorch resizes the crops."""

import torch
from torch import nn
from torch.nn import functional

from ferjax.interop.torchvision import torchvision_models
from ferjax.layers.regions import CROP


def crop_regions(images: torch.Tensor) -> list[torch.Tensor]:
    """Lists the image and its crops, each `[B, C, H, W]`, in the order of `ferjax.layers.regions.REGIONS`."""
    height, width = images.shape[2:]
    tall, wide = (side * CROP[0] // CROP[1] for side in (height, width))
    crops = [
        images[:, :, top : top + tall, left : left + wide]
        for top in (0, height - tall)
        for left in (0, (width - wide) // 2, width - wide)
    ]
    return [
        images,
        *(functional.interpolate(crop, size=(height, width), mode="bilinear") for crop in crops),
    ]


class RegionAttention(nn.Module):
    """Applies self- and relation-attention; leaves the region-bias loss in `auxiliary_loss`, `[B]`."""

    def __init__(self, features: int, alpha: float = 0.02) -> None:
        super().__init__()
        self.alpha = alpha
        self.q0 = nn.Linear(features, 1, bias=False)
        self.q1 = nn.Linear(2 * features, 1, bias=False)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Computes `[B, 2·F]` from `[B, R, F]`."""
        log_mu = functional.logsigmoid(self.q0(features))  # sigmoids alone can all become 0
        overall = (log_mu.softmax(1) * features).sum(1, keepdim=True)
        pairs = torch.cat([features, overall.expand_as(features)], dim=2)
        weights = (log_mu + functional.logsigmoid(self.q1(pairs))).softmax(1)
        mu = log_mu.exp()
        margin = mu[:, 1:, 0].max(dim=1).values - mu[:, 0, 0]
        self.auxiliary_loss = functional.relu(self.alpha - margin)
        return (weights * pairs).sum(1)


def region_features(backbone: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Applies the backbone to all regions in one batch, each image's side by side: `[B, 7, F]`."""
    regions = torch.stack(crop_regions(images), dim=1)
    return backbone(regions.flatten(0, 1)).unflatten(0, regions.shape[:2])


class RAN(nn.Module):
    """Applies torchvision's residual network to every region, the attention, and a classifier."""

    def __init__(self, num_classes: int = 7, backbone: str = "resnet18", alpha: float = 0.02) -> None:
        super().__init__()
        self.backbone = getattr(torchvision_models(), backbone)()
        features = self.backbone.fc.in_features
        self.backbone.fc = nn.Identity()
        self.attention = RegionAttention(features, alpha)
        self.fc = nn.Linear(2 * features, num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Computes logits of `[B, 3, H, W]`."""
        x = self.attention(region_features(self.backbone, images))
        self.auxiliary_loss = self.attention.auxiliary_loss
        return self.fc(x)
