"""Stochastic depth in PyTorch."""

import torch
from torch import nn


class DropPath(nn.Module):
    """Multiplies each example's branch by 0 or by 1 / (1 − rate) in training."""

    def __init__(self, drop_prob: float) -> None:
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Keeps or leaves out."""
        if not self.training or not self.drop_prob:
            return x
        kept = torch.rand(x.shape[0], *(1,) * (x.ndim - 1), device=x.device) >= self.drop_prob
        return x * kept / (1 - self.drop_prob)


def rising_rates(last: float, depth: int) -> list[float]:
    """Returns rates along a line from 0 to `last`."""
    return torch.linspace(0, last, depth, dtype=torch.float64).tolist()
