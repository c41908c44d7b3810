"""DDAMFN in PyTorch, with the names of the authors' files and without the layers that they never call."""

import math
import sys
from itertools import combinations, pairwise

import torch
from torch import nn
from torch.nn import functional

from ferjax.interop.torch_models.mobilefacenet import ConvBlock, Several
from ferjax.models.ddamfn import BLOCKS


class MixedDepthwiseConv(nn.Module):
    """Convolves groups of channels with kernels of different sizes."""

    def __init__(self, split: dict[int, int], stride: int) -> None:
        super().__init__()
        self.channels = list(split.values())
        self.mixed_depthwise_conv = nn.ModuleList(
            nn.Conv2d(channels, channels, size, stride, size // 2, groups=channels, bias=False)
            for size, channels in split.items()
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes as many channels."""
        groups = zip(self.mixed_depthwise_conv, x.split(self.channels, dim=1), strict=True)
        return torch.cat([conv(group) for conv, group in groups], dim=1)


class Gates(nn.Module):
    """Turns sums over rows and columns into a weight of every place."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(8, channels // 32)
        self.conv1 = nn.Conv2d(channels, hidden, 1)
        self.bn1 = nn.BatchNorm2d(hidden)
        self.conv2 = nn.Conv2d(hidden, channels, 1)
        self.conv3 = nn.Conv2d(hidden, channels, 1)

    def gates(self, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
        """Computes `[B, C, H, W]` from `[B, C, H, 1]` and `[B, C, 1, W]`."""
        height = rows.shape[2]
        hidden = functional.hardswish(self.bn1(self.conv1(torch.cat([rows, columns.mT], dim=2))))
        by_row = self.conv2(hidden[:, :, :height]).sigmoid()
        return by_row * self.conv3(hidden[:, :, height:]).sigmoid().mT


class CoordinateAttention(Gates):
    """Weighs places by the means of their rows and columns."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Weighs `[B, C, H, W]`."""
        return x * self.gates(x.mean(dim=3, keepdim=True), x.mean(dim=2, keepdim=True))


class DirectionAttention(Gates):
    """Gives weights from convolutions along each row and each column."""

    def __init__(self, channels: int, size: int) -> None:
        super().__init__(channels)
        self.Linear_h = ConvBlock(channels, channels, (1, size), groups=channels, rectified=False)
        self.Linear_w = ConvBlock(channels, channels, (size, 1), groups=channels, rectified=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes weights `[B, C, H, W]`."""
        return self.gates(self.Linear_h(x), self.Linear_w(x))


class Head(nn.Module):
    """Direction attention, under the name `CoordAtt`."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.CoordAtt = DirectionAttention(512, size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes weights `[B, 512, H, W]`."""
        return self.CoordAtt(x)


class MixedBlock(nn.Module):
    """Applies 1×1, mixed depthwise convolutions, coordinate attention and 1×1."""

    def __init__(self, inputs: int, outputs: int, split: dict[int, int], stride: int, residual: bool) -> None:
        super().__init__()
        inside = sum(split.values())
        self.residual = residual
        self.conv = ConvBlock(inputs, inside)
        self.conv_dw = MixedDepthwiseConv(split, stride)
        self.CA = CoordinateAttention(inside)
        self.project = ConvBlock(inside, outputs, rectified=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes the next feature maps."""
        y = self.project(self.CA(self.conv_dw(self.conv(x))))
        return x + y if self.residual else y


class DDAMFN(nn.Module):
    """Leaves the loss that pushes the heads apart in `auxiliary_loss`, `[B]`."""

    def __init__(
        self,
        num_classes: int = 7,
        heads: int = 2,
        diversity: float = 0.1,
        depth_multiplier: float = 1.0,
        image_size: int = 112,
    ) -> None:
        super().__init__()
        self.heads, self.diversity = heads, diversity
        size = -(-image_size // 16)
        stages: list[nn.Module] = [ConvBlock(3, 64, 3, 2, 1), ConvBlock(64, 64, 3, 1, 1, groups=64)]
        widths = [64, *(outputs for outputs, *_ in BLOCKS.values())]
        for (inputs, outputs), (_, split, stride, blocks) in zip(
            pairwise(widths), BLOCKS.values(), strict=True
        ):
            residual = blocks > 1
            count = math.ceil(depth_multiplier * blocks) if residual else 1
            made = [MixedBlock(inputs, outputs, split, stride, residual) for _ in range(count)]
            stages.append(Several(*made) if residual else made[0])
        self.features = nn.Sequential(*stages, ConvBlock(widths[-1], 512))
        for number in range(heads):
            self.add_module(f"cat_head{number}", Head(size))
        self.Linear = ConvBlock(512, 512, size, groups=512, rectified=False)
        self.fc = nn.Linear(512, num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Computes logits of `[B, 3, H, W]`."""
        x = self.features(images)
        weights = [self.get_submodule(f"cat_head{number}")(x) for number in range(self.heads)]
        pairs = [functional.mse_loss(one, other) for one, other in combinations(weights, 2)]
        if pairs and self.diversity:
            loss = self.diversity * len(pairs) / (torch.stack(pairs).sum() + sys.float_info.epsilon)
            self.auxiliary_loss = loss.expand(x.shape[0])
        largest = weights[0]
        for other in weights[1:]:
            largest = torch.maximum(largest, other)
        return self.fc(self.Linear(x * largest).flatten(1))
