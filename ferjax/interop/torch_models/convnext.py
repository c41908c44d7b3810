"""ConvNeXt and EmoNeXt in PyTorch, as `ferjax.models.convnext` describes them, under the authors' names."""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from ferjax.interop.torch_models.drop_path import DropPath, rising_rates
from ferjax.interop.torch_models.resemotenet import SqueezeExcitation

BLOCKS = (3, 3, 9, 3)


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation of `[B, C, H, W]` over C."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Normalises."""
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Block(nn.Module):
    """Adds a depthwise convolution and an MLP."""

    def __init__(self, channels: int, layer_scale: float, drop_path: float) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((channels,), layer_scale))
        self.dwconv = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, 1e-6)
        self.pwconv1 = nn.Linear(channels, 4 * channels)
        self.pwconv2 = nn.Linear(4 * channels, channels)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes the next feature maps `[B, C, H, W]`."""
        y = self.norm(self.dwconv(x).permute(0, 2, 3, 1))
        y = self.gamma * self.pwconv2(functional.gelu(self.pwconv1(y)))
        return x + self.drop_path(y.permute(0, 3, 1, 2))


class ConvNeXt(nn.Module):
    """The whole network: images `[B, 3, H, W]` to logits `[B, num_classes]`."""

    squeeze = False

    def __init__(
        self, num_classes: int = 7, width: int = 96, layer_scale: float = 1e-6, drop_path: float = 0.1
    ) -> None:
        super().__init__()
        widths = [width * 2**stage for stage in range(4)]
        self._before()
        self.downsample_layers = nn.ModuleList(
            [nn.Sequential(nn.Conv2d(3, width, 4, 4), ChannelNorm(width, 1e-6))]
        )
        for before, after in pairwise(widths):
            layers = [ChannelNorm(before, 1e-6), nn.Conv2d(before, after, 2, 2)]
            if self.squeeze:
                layers.append(SqueezeExcitation(after))
            self.downsample_layers.append(nn.Sequential(*layers))
        rates = iter(rising_rates(drop_path, sum(BLOCKS)))
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(channels, layer_scale, next(rates)) for _ in range(blocks)))
            for channels, blocks in zip(widths, BLOCKS, strict=True)
        )
        self.norm = nn.LayerNorm(widths[-1], 1e-6)
        self._behind(widths[-1])
        self.head = nn.Linear(widths[-1], num_classes)

    def _before(self) -> None:
        """Makes what comes before the first convolution."""

    def _behind(self, width: int) -> None:
        """Makes what reads the pooled features beside the classifier."""

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """Computes the pooled features `[B, C]`."""
        for downsample, stage in zip(self.downsample_layers, self.stages, strict=True):
            x = stage(downsample(x))
        return self.norm(x.mean((2, 3)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes logits of a normalised batch."""
        return self.head(self.features(x))


class BatchAttention(nn.Module):
    """Self-attention between the features of a batch, whose weights' variance is the result."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes the variance, of features `[B, C]`."""
        x = self.norm(x)
        scores = self.query(x) @ self.key(x).T / x.shape[1] ** 0.25
        variance = scores.softmax(1).var(correction=0)
        # No output depends on the values: their layer has a gradient here, and it is 0.
        return variance + 0 * self.value.weight.sum() + 0 * self.value.bias.sum()


class EmoNeXt(ConvNeXt):
    """ConvNeXt behind a spatial transformer, with squeeze-and-excitation; leaves `auxiliary_loss`, `[B]`.

    As in `ferjax.interop.torch_models.spatial_transformer` the last layer starts near the identity.
    """

    squeeze = True

    def __init__(
        self,
        num_classes: int = 7,
        image_size: int = 64,
        width: int = 96,
        layer_scale: float = 1e-6,
        drop_path: float = 0.1,
    ) -> None:
        self.pixels = 10 * (((image_size - 6) // 2 - 4) // 2) ** 2
        super().__init__(num_classes, width, layer_scale, drop_path)

    def _before(self) -> None:
        layers = []
        for channels, features, kernel in ((3, 8, 7), (8, 10, 5)):
            layers += [nn.Conv2d(channels, features, kernel), nn.BatchNorm2d(features)]
            layers += [nn.MaxPool2d(2), nn.ReLU()]
        self.localization = nn.Sequential(*layers)
        last = nn.Linear(32, 6)
        self.fc_loc = nn.Sequential(nn.Linear(self.pixels, 32), nn.ReLU(), last)
        with torch.no_grad():
            last.weight.mul_(0.1)
            last.bias.mul_(0.1).add_(torch.tensor([1.0, 0, 0, 0, 1, 0]))

    def _behind(self, width: int) -> None:
        self.attention = BatchAttention(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes logits of a normalised batch."""
        theta = self.fc_loc(self.localization(x).flatten(1)).view(-1, 2, 3)
        grid = functional.affine_grid(theta, list(x.shape), align_corners=True)
        features = self.features(functional.grid_sample(x, grid, align_corners=True))
        self.auxiliary_loss = self.attention(features).expand(len(x))
        return self.head(features)
