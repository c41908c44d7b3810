"""FaceNet2ExpNet in PyTorch, alone and behind RAN's regions; the face net is facenet-pytorch's."""

from typing import Any

import torch
from torch import nn

from ferjax.interop.torch_models.facenet import FaceFeatures
from ferjax.interop.torch_models.ran import RegionAttention, region_features
from ferjax.models.facenet import TRUNK_FEATURES
from ferjax.models.facenet2expnet import STAGES


class ExpressionNet(nn.Module):
    """Applies five convolutions with batch normalisation, ReLU and max pool; a 1×1 convolution; the mean."""

    def __init__(self, width: int) -> None:
        super().__init__()
        channels = 3
        for stage, multiple in enumerate(STAGES, start=1):
            self.add_module(f"conv{stage}", nn.Conv2d(channels, multiple * width, 3, padding=1, bias=False))
            channels = multiple * width
            self.add_module(f"bn{stage}", nn.BatchNorm2d(channels))
        self.top = nn.Conv2d(channels, TRUNK_FEATURES, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes features `[B, 1792]`."""
        for stage in range(1, len(STAGES) + 1):
            x = self.get_submodule(f"bn{stage}")(self.get_submodule(f"conv{stage}")(x))
            x = nn.functional.max_pool2d(torch.relu(x), 2)
        return self.top(x).mean(dim=(2, 3))


class FaceNet2ExpNet(nn.Module):
    """Leaves the mean squared error to the face net's features in `auxiliary_loss`, `[B]`."""

    features = TRUNK_FEATURES  # inputs of the dense layers

    def __init__(
        self,
        num_classes: int = 7,
        width: int = 64,
        hidden: int = 256,
        dropout: float = 0.5,
        fixed_standardisation: bool = False,
    ) -> None:
        super().__init__()
        self.expression_net = ExpressionNet(width)
        self.face_net = FaceFeatures(fixed_standardisation)
        self.fc1 = nn.Linear(self.features, hidden)
        self.fc2 = nn.Linear(hidden, num_classes)
        self.dropout = nn.Dropout(dropout)

    def classify(self, x: torch.Tensor) -> torch.Tensor:
        """Computes logits of `[B, features]`."""
        return self.fc2(self.dropout(torch.relu(self.fc1(x))))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Computes logits of `[B, 3, H, W]`."""
        x = self.expression_net(images)
        self.auxiliary_loss = (x - self.face_net(images)).square().mean(dim=1)
        return self.classify(x)


class RANFaceNet2ExpNet(FaceNet2ExpNet):
    """Leaves the error to the face net's features plus the region bias in `auxiliary_loss`, `[B]`."""

    features = 2 * TRUNK_FEATURES

    def __init__(self, num_classes: int = 7, alpha: float = 0.02, **options: Any) -> None:
        super().__init__(num_classes, **options)
        self.attention = RegionAttention(TRUNK_FEATURES, alpha)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Computes logits of `[B, 3, H, W]`."""
        features = region_features(self.expression_net, images)
        error = (features[:, 0] - self.face_net(images)).square().mean(dim=1)
        x = self.attention(features)
        self.auxiliary_loss = error + self.attention.auxiliary_loss
        return self.classify(x)
