"""The plain CNN in PyTorch, as `ferjax.models.fer_cnn` describes it."""

import torch
from torch import nn
from torch.nn import functional


class FERCNN(nn.Module):
    """The whole network: images `[B, 3, image_size, image_size]` to logits `[B, num_classes]`."""

    def __init__(
        self, num_classes: int = 7, hidden: int = 256, dropout: float = 0.5, image_size: int = 48
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 5, padding=2)
        self.conv2 = nn.Conv2d(32, 64, 5, padding=2)
        self.conv3 = nn.Conv2d(64, 128, 5, padding=2)
        self.fc1, self.fc2 = nn.Linear(128 * (image_size // 8) ** 2, hidden), nn.Linear(hidden, num_classes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Computes logits of a normalised batch."""
        for layer in (self.conv1, self.conv2, self.conv3):
            x = functional.max_pool2d(functional.relu(layer(x)), 2)
        return self.fc2(self.dropout(functional.relu(self.fc1(x.flatten(1)))))
