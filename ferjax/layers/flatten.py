"""Feature maps flattened to vectors."""

from jaxtyping import Array, Shaped


def flatten_channels_first(x: Shaped[Array, "B H W C"]) -> Shaped[Array, "B C*H*W"]:
    """Flattens feature maps in PyTorch's order of elements, so that a linear layer's weights carry over."""
    return x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1)
