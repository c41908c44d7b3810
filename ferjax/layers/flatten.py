"""Feature maps as vectors."""

from jax import Array


def flatten_channels_first(x: Array) -> Array:
    """`[B, H, W, C]` to `[B, C·H·W]`, in PyTorch's order: a linear layer's weights carry over."""
    return x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1)
