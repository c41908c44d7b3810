"""IR-50 without its last stage in PyTorch, with the names of POSTER++'s trunk."""

import torch
from torch import nn
from torch.nn import functional

from ferjax.models.ir50 import STAGES


class Unit(nn.Module):
    """Adds a residual branch to a shortcut; nothing rectifies the sum."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        if inputs == outputs:
            self.shortcut_layer: nn.Module = nn.MaxPool2d(1, stride)
        else:
            conv = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.shortcut_layer = nn.Sequential(conv, nn.BatchNorm2d(outputs))
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False),
            nn.PReLU(outputs),
            nn.Conv2d(outputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes the next feature maps."""
        return self.shortcut_layer(x) + self.res_layer(x)


class Trunk(nn.Module):
    """All convolutions; gives three feature maps."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.input_layer = nn.Sequential(
            nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64)
        )
        channels = 64
        for number, units in enumerate(STAGES[depth], start=1):
            outputs = 32 * 2**number
            made = [
                Unit(channels if unit == 0 else outputs, outputs, 1 if unit else 2) for unit in range(units)
            ]
            self.add_module(f"body{number}", nn.Sequential(*made))
            channels = outputs

    def maps(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Computes maps of 64, 128 and 256 channels."""
        maps = [self.input_layer(images)]
        for number in (1, 2, 3):
            maps.append(self.get_submodule(f"body{number}")(maps[-1]))
        return maps[1:]


class IR50(Trunk):
    """Gives logits."""

    def __init__(self, num_classes: int = 7, depth: int = 50, resized: int = 112) -> None:
        super().__init__(depth)
        self.resized = resized
        self.fc = nn.Linear(256, num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Computes logits of `[B, 3, H, W]`."""
        return self.fc(self.maps(functional.interpolate(images, size=self.resized))[-1].mean(dim=(2, 3)))
