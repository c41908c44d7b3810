"""A spatial transformer in PyTorch, as its tutorial names the layers, and the brightness of colour images."""

import torch
from torch import nn
from torch.nn import functional


def luma(x: torch.Tensor) -> torch.Tensor:
    """`[B, 3, H, W]` to its brightness `[B, 1, H, W]` by ITU-R 601."""
    weights = torch.tensor([0.299, 0.587, 0.114], dtype=x.dtype, device=x.device)
    return (x * weights[:, None, None]).sum(1, keepdim=True)


class SpatialTransformer(nn.Module):
    """Localisation network, `affine_grid` and `grid_sample` with zero padding, `align_corners=False`.

    The last layer starts near the identity, not on it: there every place lies on a pixel, where the
    derivative of bilinear sampling jumps and rounding decides what it is.
    """

    def __init__(
        self, channels: int, image_size: int, features: tuple[int, ...], kernels: tuple[int, ...], same: bool
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for outputs, kernel in zip(features, kernels, strict=True):
            padding = kernel // 2 if same else 0
            layers += [nn.Conv2d(channels, outputs, kernel, padding=padding), nn.MaxPool2d(2), nn.ReLU()]
            channels, image_size = outputs, (image_size + 2 * padding - kernel + 1) // 2
        self.localization = nn.Sequential(*layers)
        self.fc_loc = nn.Sequential(nn.Linear(channels * image_size**2, 32), nn.ReLU(), nn.Linear(32, 6))
        with torch.no_grad():
            self.fc_loc[2].weight.mul_(0.1)
            self.fc_loc[2].bias.mul_(0.1).add_(torch.tensor([1.0, 0, 0, 0, 1, 0]))

    def view(self, x: torch.Tensor) -> torch.Tensor:
        """What the transformer sees of `[B, C, H, W]`, the same shape."""
        theta = self.fc_loc(self.localization(x).flatten(1)).view(-1, 2, 3)
        grid = functional.affine_grid(theta, list(x.shape), align_corners=False)
        return functional.grid_sample(x, grid, align_corners=False)
