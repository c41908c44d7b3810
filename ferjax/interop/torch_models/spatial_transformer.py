"""A spatial transformer in PyTorch, as its tutorial names the layers, and the brightness of colour images."""

import torch
from torch import nn
from torch.nn import functional


def luma(x: torch.Tensor) -> torch.Tensor:
    """Computes the brightness `[B, 1, H, W]` of `[B, 3, H, W]` by ITU-R 601."""
    weights = torch.tensor([0.299, 0.587, 0.114], dtype=x.dtype, device=x.device)
    return (x * weights[:, None, None]).sum(1, keepdim=True)


class SpatialTransformer(nn.Module):
    """Samples by a localisation network, `affine_grid` and `grid_sample`, zeros outside of the image.

    The last layer starts near the identity and not on it. Under the identity every place lies on a pixel,
    where the derivative of bilinear sampling jumps, and rounding decides which side of the jump it is on.
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
        last = nn.Linear(32, 6)
        self.fc_loc = nn.Sequential(nn.Linear(channels * image_size**2, 32), nn.ReLU(), last)
        with torch.no_grad():
            last.weight.mul_(0.1)
            last.bias.mul_(0.1).add_(torch.tensor([1.0, 0, 0, 0, 1, 0]))

    def view(self, x: torch.Tensor) -> torch.Tensor:
        """Samples the view of `[B, C, H, W]`, of the same shape."""
        theta = self.fc_loc(self.localization(x).flatten(1)).view(-1, 2, 3)
        grid = functional.affine_grid(theta, list(x.shape), align_corners=False)
        return functional.grid_sample(x, grid, align_corners=False)
