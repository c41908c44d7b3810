"""DAN in PyTorch, with the names of the authors' files and the centres of its affinity loss."""

import sys

import torch
from torch import nn

from ferjax.interop.torchvision import torchvision_models


def _convolution(inputs: int, outputs: int, kernel: tuple[int, int]) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, padding=(kernel[0] // 2, kernel[1] // 2))
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


class SpatialAttention(nn.Module):
    """Multiplies features with the channels' sum of three rectified convolutions."""

    def __init__(self, channels: int = 512) -> None:
        super().__init__()
        self.conv1x1 = _convolution(channels, channels // 2, (1, 1))
        self.conv_3x3 = _convolution(channels // 2, channels, (3, 3))
        self.conv_1x3 = _convolution(channels // 2, channels, (1, 3))
        self.conv_3x1 = _convolution(channels // 2, channels, (3, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Weighs the places of `[B, C, H, W]`."""
        y = self.conv1x1(x)
        branches = self.conv_3x3(y) + self.conv_1x3(y) + self.conv_3x1(y)
        return x * branches.relu().sum(dim=1, keepdim=True)


class ChannelAttention(nn.Module):
    """Multiplies the channels' means with gates."""

    def __init__(self, channels: int = 512) -> None:
        super().__init__()
        hidden = channels // 16
        self.attention = nn.Sequential(
            nn.Linear(channels, hidden),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            nn.Linear(hidden, channels),
            nn.Sigmoid(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes `[B, C]` from `[B, C, H, W]`."""
        mean = x.mean(dim=(2, 3))
        return mean * self.attention(mean)


class Head(nn.Module):
    """Spatial attention, then channel attention."""

    def __init__(self) -> None:
        super().__init__()
        self.sa, self.ca = SpatialAttention(), ChannelAttention()
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=0.001)
            if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes `[B, C]` from `[B, C, H, W]`."""
        return self.ca(self.sa(x))


class DAN(nn.Module):
    """Four heads on a ResNet-18; leaves the sum of both losses by class, `[B, K]`, in `auxiliary_loss`."""

    def __init__(self, num_classes: int = 7, affinity: float = 1.0, partition: float = 1.0) -> None:
        super().__init__()
        self.affinity, self.partition = affinity, partition
        trunk = torchvision_models().resnet18()
        self.features = nn.Sequential(*list(trunk.children())[:-2])
        for number in range(4):
            self.add_module(f"cat_head{number}", Head())
        self.fc = nn.Linear(512, num_classes)
        self.bn = nn.BatchNorm1d(num_classes)
        self.centers = nn.Parameter(torch.randn(num_classes, 512)) if affinity else None

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Computes logits of `[B, 3, H, W]`."""
        x = self.features(images)
        heads = torch.stack([self.get_submodule(f"cat_head{i}")(x) for i in range(4)], dim=1).log_softmax(1)
        logits = self.bn(self.fc(heads.sum(1)))
        spread = heads.var(dim=1).mean() + sys.float_info.epsilon
        self.auxiliary_loss = (self.partition * torch.log(1 + 4 / spread)).expand_as(logits)
        if self.centers is not None:
            distances = (x.mean(dim=(2, 3))[:, None] - self.centers).square().sum(-1)
            self.auxiliary_loss = self.auxiliary_loss + self.affinity * distances / self.centers.var(0).sum()
        return logits
