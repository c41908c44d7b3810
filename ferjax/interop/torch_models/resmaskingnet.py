"""The residual masking network in PyTorch, with the authors' names, each of them once."""

import torch
from torch import nn

from ferjax.augment.normalisation import IMAGENET_MEAN, IMAGENET_STD
from ferjax.interop.torchvision import torchvision_models

_resnet = torchvision_models().resnet
_DEPTHS = (4, 3, 2, 1)


def _block(inputs: int, outputs: int) -> nn.Module:
    shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
    block = _resnet.BasicBlock(inputs, outputs, downsample=shortcut)
    for module in block.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    nn.init.zeros_(block.bn2.weight)
    return block


class Mask(nn.Module):
    """A U-Net of residual blocks; a softmax over the channels ends it."""

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        self.depth = depth
        for number in range(1, depth + 1):
            self.add_module(f"conv{number}", _block(channels * 2 ** (number - 1), channels * 2**number))
        for number in range(depth + 1, 2 * depth):
            outputs = channels * 2 ** (2 * depth - number)
            up = nn.ConvTranspose2d(2 * outputs, outputs, 2, 2)
            self.add_module(f"up_pool{number}", nn.Sequential(up, nn.BatchNorm2d(outputs), nn.ReLU()))
            self.add_module(f"conv{number}", _block(2 * outputs, outputs))
        self.add_module(f"conv{2 * depth}", _block(2 * channels, channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes `[B, C, H, W]`, which sums to 1 over C."""
        parts = dict(self.named_children())
        skipped = []
        for number in range(1, self.depth + 1):
            x = parts[f"conv{number}"](x if number == 1 else nn.functional.max_pool2d(x, 2))
            skipped.append(x)
        skipped.pop()
        for number in range(self.depth + 1, 2 * self.depth):
            x = torch.cat([parts[f"up_pool{number}"](x), skipped.pop()], dim=1)
            x = parts[f"conv{number}"](x)
        return parts[f"conv{2 * self.depth}"](x).softmax(1)


class ResMaskingNet(_resnet.ResNet):
    """ResNet-34 whose stages are weighed by masks."""

    def __init__(
        self, num_classes: int = 7, width: int = 64, dropout: float = 0.4, unit_pixels: bool = False
    ) -> None:
        super().__init__(_resnet.BasicBlock, [3, 4, 6, 3], num_classes)
        self.unit_pixels = unit_pixels
        if width != 64:
            self._narrow(width)
        self.fc = nn.Sequential(nn.Dropout(dropout), nn.Linear(8 * width, num_classes))
        for number, depth in enumerate(_DEPTHS, start=1):
            self.add_module(f"mask{number}", Mask(width * 2 ** (number - 1), depth))

    def _narrow(self, width: int) -> None:
        """Makes torchvision's stages anew with fewer channels."""
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.inplanes = width
        for number, blocks in enumerate((3, 4, 6, 3), start=1):
            stride = 1 if number == 1 else 2
            stage = self._make_layer(_resnet.BasicBlock, width * 2 ** (number - 1), blocks, stride)
            setattr(self, f"layer{number}", stage)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Computes logits of `[B, 3, H, W]`."""
        if self.unit_pixels:
            mean, std = (images.new_tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_STD))
            images = images * std + mean
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for number in range(1, 5):
            x = self.get_submodule(f"layer{number}")(x)
            x = x * (1 + self.get_submodule(f"mask{number}")(x))
        return self.fc(x.mean(dim=(2, 3)))
