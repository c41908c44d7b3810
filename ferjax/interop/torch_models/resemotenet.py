"""ResEmoteNet in PyTorch, written from the paper's description (Roy et al., 2024, section II).

Its state dict has the 94 names of the published weight files.
"""

import torch
from torch import nn
from torch.nn import functional


class SqueezeExcitation(nn.Module):
    """Channel attention, equations 2 to 6; the two layers have no bias."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(channels, channels // reduction, bias=False),
            nn.ReLU(),
            nn.Linear(channels // reduction, channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scales each channel of `[B, C, H, W]` by a weight in (0, 1)."""
        return x * self.fc(x.mean(dim=(2, 3)))[:, :, None, None]


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions, the first with stride 2, beside a 1×1 shortcut with stride 2."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride=2, padding=1)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.shortcut = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1, stride=2), nn.BatchNorm2d(out_channels)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """`[B, C, H, W]` to `[B, 2C, H/2, W/2]`."""
        y = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResEmoteNet(nn.Module):
    """The whole network: images `[B, 3, 64, 64]` to logits `[B, num_classes]`."""

    def __init__(self, num_classes: int = 7, dropout: tuple[float, float] = (0.2, 0.5)) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 64, 3, padding=1), nn.BatchNorm2d(64)
        self.conv2, self.bn2 = nn.Conv2d(64, 128, 3, padding=1), nn.BatchNorm2d(128)
        self.conv3, self.bn3 = nn.Conv2d(128, 256, 3, padding=1), nn.BatchNorm2d(256)
        self.se = SqueezeExcitation(256)
        self.res_block1 = ResidualBlock(256, 512)
        self.res_block2 = ResidualBlock(512, 1024)
        self.res_block3 = ResidualBlock(1024, 2048)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc1, self.fc2 = nn.Linear(2048, 1024), nn.Linear(1024, 512)
        self.fc3, self.fc4 = nn.Linear(512, 256), nn.Linear(256, num_classes)
        self.dropout1, self.dropout2 = nn.Dropout(dropout[0]), nn.Dropout(dropout[1])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits of a normalised batch."""
        x = self.dropout1(functional.max_pool2d(functional.relu(self.bn1(self.conv1(x))), 2))
        x = self.dropout1(functional.max_pool2d(functional.relu(self.bn2(self.conv2(x))), 2))
        x = self.se(functional.max_pool2d(functional.relu(self.bn3(self.conv3(x))), 2))
        x = self.res_block3(self.res_block2(self.res_block1(x)))
        x = self.pool(x).flatten(1)
        for layer in (self.fc1, self.fc2, self.fc3):
            x = self.dropout2(functional.relu(layer(x)))
        return self.fc4(x)
