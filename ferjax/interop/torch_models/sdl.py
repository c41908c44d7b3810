"""The spatial-deep-learning network in PyTorch, as `ferjax.models.sdl` describes it."""

import torch
from torch import nn
from torch.nn import functional

from ferjax.interop.torch_models.spatial_transformer import SpatialTransformer, luma


class SpatialModule(nn.Module):
    """Applies a spatial transformer, a convolution, ReLU and an average pool."""

    def __init__(self, channels: int, image_size: int, features: int) -> None:
        super().__init__()
        self.transformer = SpatialTransformer(channels, image_size, (8, 16, 32), (3, 3, 3), same=True)
        self.conv = nn.Conv2d(channels, features, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes `[B, features, H // 2, W // 2]` from `[B, C, H, W]`."""
        return functional.avg_pool2d(functional.relu(self.conv(self.transformer.view(x))), 2)


class SDL(nn.Module):
    """The whole network: images `[B, 3, image_size, image_size]` to logits `[B, num_classes]`."""

    def __init__(self, num_classes: int = 7, hidden: int = 256, image_size: int = 48) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 32, 3, padding=1), nn.Conv2d(32, 64, 3, padding=1)
        self.conv3, self.conv4 = nn.Conv2d(64, 128, 3, padding=1), nn.Conv2d(128, 256, 3, padding=1)
        self.sdl1 = SpatialModule(1, image_size, 16)
        self.sdl2 = SpatialModule(16, image_size // 2, 32)
        pixels = 256 * (image_size // 16) ** 2 + 32 * (image_size // 4) ** 2
        self.fc1, self.fc2 = nn.Linear(pixels, hidden), nn.Linear(hidden, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes logits of a normalised batch."""
        x = luma(x)
        near = self.sdl2(self.sdl1(x))
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4):
            x = functional.max_pool2d(functional.relu(layer(x)), 2)
        x = torch.cat([x.flatten(1), near.flatten(1)], dim=1)
        return self.fc2(functional.relu(self.fc1(x)))
