"""ResEmoteNet in PyTorch, written from the paper's description (Roy et al., 2024, section II).

Its state dict has the 94 names of the published weight files.
"""

import torch
from torch import nn
from torch.nn import functional


class SqueezeExcitation(nn.Module):
    """Applies channel attention, equations 2 to 6; the two layers have no bias."""

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
    """Adds two 3×3 convolutions, the first with stride 2, to a 1×1 shortcut with stride 2."""

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
        """Computes `[B, 2C, H/2, W/2]` from `[B, C, H, W]`."""
        y = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResEmoteNet(nn.Module):
    """The whole network: images `[B, 3, 64, 64]` to logits `[B, num_classes]`.

    The arguments are those of `ferjax.models.resemotenet.ResEmoteNet`; `without` names parts left out.
    """

    def __init__(
        self, num_classes: int = 7, without: str = "", stem_dropout: float = 0.2, head_dropout: float = 0.5
    ) -> None:
        super().__init__()
        parts = {part.strip() for part in without.split(",")}
        channels = 3
        self.convolutions = [stage for stage in (1, 2, 3) if f"conv{32 << stage}" not in parts]
        for stage in self.convolutions:
            features = 32 << stage
            self.add_module(f"conv{stage}", nn.Conv2d(channels, features, 3, padding=1))
            self.add_module(f"bn{stage}", nn.BatchNorm2d(features))
            channels = features
        self.se = nn.Identity() if "se" in parts else SqueezeExcitation(channels)
        self.blocks = [block for block in (1, 2, 3) if f"rb{128 << block}" not in parts]
        for block in self.blocks:
            features = 256 << block
            self.add_module(f"res_block{block}", ResidualBlock(channels, features))
            channels = features
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc1, self.fc2 = nn.Linear(channels, 1024), nn.Linear(1024, 512)
        self.fc3, self.fc4 = nn.Linear(512, 256), nn.Linear(256, num_classes)
        self.dropout1, self.dropout2 = nn.Dropout(stem_dropout), nn.Dropout(head_dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes logits of a normalised batch."""
        for stage in self.convolutions:
            convolution, norm = self.get_submodule(f"conv{stage}"), self.get_submodule(f"bn{stage}")
            x = functional.max_pool2d(functional.relu(norm(convolution(x))), 2)
            if stage < 3:
                x = self.dropout1(x)
        x = self.se(x)
        for block in self.blocks:
            x = self.get_submodule(f"res_block{block}")(x)
        x = self.pool(x).flatten(1)
        for layer in (self.fc1, self.fc2, self.fc3):
            x = self.dropout2(functional.relu(layer(x)))
        return self.fc4(x)
