"""MobileFaceNet in PyTorch, with the names of POSTER++'s landmark network."""

import torch
from torch import nn

from ferjax.models.mobilefacenet import BLOCKS


class ConvBlock(nn.Module):
    """Applies a convolution without bias, batch normalisation and perhaps a PReLU."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int | tuple[int, int] = 1,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
        rectified: bool = True,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        self.prelu = nn.PReLU(outputs) if rectified else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes the next feature maps."""
        x = self.bn(self.conv(x))
        return x if self.prelu is None else self.prelu(x)


class InvertedResidual(nn.Module):
    """Applies 1×1, 3×3 depthwise and 1×1, and perhaps adds the input."""

    def __init__(self, inputs: int, outputs: int, inside: int, stride: int, residual: bool) -> None:
        super().__init__()
        self.residual = residual
        self.conv = ConvBlock(inputs, inside)
        self.conv_dw = ConvBlock(inside, inside, 3, stride, 1, groups=inside)
        self.project = ConvBlock(inside, outputs, rectified=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes the next feature maps."""
        y = self.project(self.conv_dw(self.conv(x)))
        return x + y if self.residual else y


class Several(nn.Module):
    """Modules one after another, under the name `model`."""

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__()
        self.model = nn.Sequential(*modules)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Applies them."""
        return self.model(x)


class Maps(nn.Module):
    """All convolutions before the last one; gives three feature maps."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = ConvBlock(3, 64, 3, 2, 1)
        self.conv2_dw = ConvBlock(64, 64, 3, 1, 1, groups=64)
        channels = 64
        for name, (outputs, inside, stride, blocks) in BLOCKS.items():
            made = [
                InvertedResidual(channels if number == 0 else outputs, outputs, inside, stride, blocks > 1)
                for number in range(blocks)
            ]
            self.add_module(name, Several(*made) if blocks > 1 else made[0])
            channels = outputs
        self.conv_6_sep = ConvBlock(channels, 512)

    def maps(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Computes maps of 64, 128 and 512 channels."""
        x = self.conv2_dw(self.conv1(x))
        read = {}
        for name in BLOCKS:
            read[name] = x = self.get_submodule(name)(x)
        return read["conv_3"], read["conv_4"], self.conv_6_sep(x)


class Output(nn.Module):
    """Weighs all places of each channel, and applies a linear layer and batch normalisation."""

    def __init__(self, outputs: int, size: int) -> None:
        super().__init__()
        self.conv_6_dw = ConvBlock(512, 512, size, groups=512, rectified=False)
        self.linear = nn.Linear(512, outputs, bias=False)
        self.bn = nn.BatchNorm1d(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes `[B, outputs]`."""
        return self.bn(self.linear(self.conv_6_dw(x).flatten(1)))


class MobileFaceNet(Maps):
    """Gives logits."""

    def __init__(self, num_classes: int = 7, image_size: int = 112) -> None:
        super().__init__()
        self.output_layer = Output(num_classes, -(-image_size // 16))
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Computes logits of `[B, 3, H, W]`."""
        return self.output_layer(self.maps(images)[-1])
