"""SE-ResNet in PyTorch: torchvision's residual networks with an SE block before each shortcut is added.

The names are those of the common implementation: `layerN.M.se.fc.0.weight`.
"""

import torch
from torch import nn

from ferjax.interop.torch_models.resemotenet import SqueezeExcitation
from ferjax.interop.torchvision import torchvision_models

_resnet = torchvision_models().resnet


class SEBasicBlock(_resnet.BasicBlock):
    """Applies two 3×3 convolutions, then the SE block."""

    def __init__(self, inplanes: int, planes: int, *args: object, **options: object) -> None:
        super().__init__(inplanes, planes, *args, **options)
        self.se = SqueezeExcitation(planes * self.expansion)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes `[B, planes, H/stride, W/stride]` from `[B, C, H, W]`."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.se(self.bn2(self.conv2(y)))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class SEBottleneck(_resnet.Bottleneck):
    """Applies 1×1, 3×3 and 1×1 convolutions, then the SE block."""

    def __init__(self, inplanes: int, planes: int, *args: object, **options: object) -> None:
        super().__init__(inplanes, planes, *args, **options)
        self.se = SqueezeExcitation(planes * self.expansion)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes `[B, 4·planes, H/stride, W/stride]` from `[B, C, H, W]`."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.se(self.bn3(self.conv3(y)))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


def se_resnet18(num_classes: int = 7, zero_init_residual: bool = False) -> nn.Module:
    """Builds the network of 18 layers: 11,267,143 parameters with 7 classes."""
    return _resnet.ResNet(SEBasicBlock, [2, 2, 2, 2], num_classes, zero_init_residual)


def se_resnet34(num_classes: int = 7, zero_init_residual: bool = False) -> nn.Module:
    """Builds the network of 34 layers: 21,445,447 parameters with 7 classes."""
    return _resnet.ResNet(SEBasicBlock, [3, 4, 6, 3], num_classes, zero_init_residual)


def se_resnet50(num_classes: int = 7, zero_init_residual: bool = False) -> nn.Module:
    """Builds the network of 50 layers: 26,037,319 parameters with 7 classes."""
    return _resnet.ResNet(SEBottleneck, [3, 4, 6, 3], num_classes, zero_init_residual)
