"""EfficientNets in PyTorch with TensorFlow's padding, as `ferjax.models.efficientnet` describes them."""

from functools import partial

import torch
from torch import nn
from torch.nn import functional

from ferjax.interop.torch_models.drop_path import DropPath, rising_rates
from ferjax.models.efficientnet import EPSILON, HEAD, SQUEEZE, STEM, Stage, scaled_channels, stages


class SameConv(nn.Conv2d):
    """A convolution without bias whose output is ⌈size / stride⌉; the odd row of zeros lies behind."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Pads and convolves `[B, C, H, W]`."""
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        pads = []
        for size in (input.shape[3], input.shape[2]):
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        return super().forward(functional.pad(input, pads))


class SqueezeExcitation(nn.Module):
    """Weighs channels."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.conv_reduce, self.conv_expand = nn.Conv2d(channels, hidden, 1), nn.Conv2d(hidden, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scales the channels of `[B, C, H, W]`."""
        hidden = functional.silu(self.conv_reduce(x.mean((2, 3), keepdim=True)))
        return x * torch.sigmoid(self.conv_expand(hidden))


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=EPSILON)


class Block(nn.Module):
    """An inverted bottleneck; that of the first stage does not widen, and its layers have other numbers."""

    def __init__(self, inputs: int, stage: Stage, stride: int, drop_path: float) -> None:
        super().__init__()
        wide, hidden = stage.expand * inputs, inputs // SQUEEZE
        self.wider, self.added = stage.expand > 1, stride == 1 and inputs == stage.channels
        if self.wider:
            self.conv_pw, self.bn1 = SameConv(inputs, wide, 1), _norm(wide)
            self.conv_dw, self.bn2 = SameConv(wide, wide, stage.kernel, stride, groups=wide), _norm(wide)
            self.se = SqueezeExcitation(wide, hidden)
            self.conv_pwl, self.bn3 = SameConv(wide, stage.channels, 1), _norm(stage.channels)
        else:
            self.conv_dw, self.bn1 = SameConv(wide, wide, stage.kernel, stride, groups=wide), _norm(wide)
            self.se = SqueezeExcitation(wide, hidden)
            self.conv_pw, self.bn2 = SameConv(wide, stage.channels, 1), _norm(stage.channels)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes the next feature maps."""
        if self.wider:
            y = functional.silu(self.bn1(self.conv_pw(x)))
            y = self.se(functional.silu(self.bn2(self.conv_dw(y))))
            y = self.bn3(self.conv_pwl(y))
        else:
            y = self.se(functional.silu(self.bn1(self.conv_dw(x))))
            y = self.bn2(self.conv_pw(y))
        return x + self.drop_path(y) if self.added else y


class EfficientNet(nn.Module):
    """The whole network: images `[B, 3, H, W]` to logits `[B, num_classes]`."""

    def __init__(
        self,
        num_classes: int = 7,
        width: float = 1.0,
        depth: float = 1.0,
        dropout: float = 0.0,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        channels, head = scaled_channels(STEM, width), scaled_channels(HEAD, width)
        rows = stages(width, depth)
        rates = iter(rising_rates(drop_path, sum(stage.blocks for stage in rows)))
        self.conv_stem, self.bn1 = SameConv(3, channels, 3, 2), _norm(channels)
        self.blocks = nn.Sequential()
        for stage in rows:
            members = nn.Sequential()
            for block in range(stage.blocks):
                members.append(Block(channels, stage, stage.stride if block == 0 else 1, next(rates)))
                channels = stage.channels
            self.blocks.append(members)
        self.conv_head, self.bn2 = SameConv(channels, head, 1), _norm(head)
        self.drop = nn.Dropout(dropout)
        self.classifier = nn.Linear(head, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes logits of a normalised batch."""
        x = self.blocks(functional.silu(self.bn1(self.conv_stem(x))))
        x = functional.silu(self.bn2(self.conv_head(x))).mean((2, 3))
        return self.classifier(self.drop(x))


efficientnet_b0 = EfficientNet
efficientnet_b2 = partial(EfficientNet, width=1.1, depth=1.2)
