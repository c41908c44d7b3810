"""Deep-Emotion in PyTorch, with the names of https://github.com/omarsayed7/Deep-Emotion."""

import torch
from torch import nn
from torch.nn import functional

from ferjax.interop.torch_models.spatial_transformer import SpatialTransformer, luma


class AttentionalCNN(SpatialTransformer):
    """The whole network: images `[B, 3, image_size, image_size]` to logits `[B, num_classes]`."""

    def __init__(
        self,
        num_classes: int = 7,
        features: int = 10,
        hidden: int = 50,
        dropout: float = 0.5,
        image_size: int = 48,
    ) -> None:
        super().__init__(1, image_size, (8, 10), (7, 5), same=False)
        self.conv1, self.conv2 = nn.Conv2d(1, features, 3), nn.Conv2d(features, features, 3)
        self.conv3, self.conv4 = nn.Conv2d(features, features, 3), nn.Conv2d(features, features, 3)
        self.norm = nn.BatchNorm2d(features)
        self.dropout = nn.Dropout(dropout)
        self.fc1 = nn.Linear(features * (((image_size - 4) // 2 - 4) // 2) ** 2, hidden)
        self.fc2 = nn.Linear(hidden, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes logits of a normalised batch."""
        x = functional.relu(self.conv1(self.view(luma(x))))
        x = functional.relu(functional.max_pool2d(self.conv2(x), 2))
        x = functional.relu(self.conv3(x))
        x = functional.relu(functional.max_pool2d(self.norm(self.conv4(x)), 2))
        x = functional.relu(self.fc1(self.dropout(x).flatten(1)))
        return self.fc2(x)
