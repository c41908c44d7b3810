"""2-D convolution: XLA's own on GPU and TPU, `conv_lowerings` on CPU."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from flax.typing import Dtype, Initializer
from jax import lax
from jaxtyping import Array, Float

from ferjax.layers.cpu import conv_lowerings
from ferjax.layers.init import uniform_fan_in


def _live_taps(size: int, kernel: int, stride: int, padding: int) -> tuple[int, int, int]:
    """Finds the taps that ever meet the image along one axis: first, last plus one, and the output's size.

    The other taps only multiply padding: at 1×1 with padding 1 those are eight of a 3×3 kernel's nine.
    """
    out = (size + 2 * padding - kernel) // stride + 1
    first = max(0, padding - (out - 1) * stride)
    last = min(kernel, size + padding)
    return first, last, out


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def conv2d(
    x: Float[Array, "B H W C"],
    kernel: Float[Array | np.ndarray, "kh kw C O"],
    stride: int = 1,
    padding: int | tuple[int, int] = 0,
) -> Float[Array, "B H2 W2 O"]:
    """Cross-correlates images with a kernel, with zeros on all four sides, as PyTorch's `conv2d`.

    Args:
        x: images or feature maps.
        kernel: of the dtype of `x`.
        stride: step of the window on both axes.
        padding: zeros before and after each axis; a pair where rows and columns differ.

    Returns:
        Feature maps of height H2 = (H + 2·padding − kh) // stride + 1, and likewise of width W2.
    """
    kernel = jnp.asarray(kernel)  # weights that were read from a file may be NumPy's
    above, beside = _pair(padding)
    top, bottom, height = _live_taps(x.shape[1], kernel.shape[0], stride, above)
    left, right, width = _live_taps(x.shape[2], kernel.shape[1], stride, beside)

    def pads(zeros: int, size: int, first: int, taps: int, out: int) -> tuple[int, int]:
        before = zeros - first
        return before, (out - 1) * stride + taps - size - before

    window = conv_lowerings.Window(
        stride=stride,
        pads=(
            pads(above, x.shape[1], top, bottom - top, height),
            pads(beside, x.shape[2], left, right - left, width),
        ),
    )

    batch = x.shape[0]  # a symbol in a program that is exported for every batch
    few = isinstance(batch, int) and batch * height * width <= conv_lowerings.FEW_ROWS

    def on_cpu(x: Array, kernel: Array) -> Array:
        live = kernel[top:bottom, left:right]
        if few and live.size < kernel.size:
            return conv_lowerings.tap_by_tap(x, kernel, window, range(top, bottom), range(left, right))
        return conv_lowerings.cpu(x, live, window)

    def elsewhere(x: Array, kernel: Array) -> Array:
        return conv_lowerings.xla(x, kernel[top:bottom, left:right], window)

    return lax.platform_dependent(x, kernel, cpu=on_cpu, default=elsewhere)


class Conv(nn.Module):
    """A convolution, square unless the kernel is a pair.

    Attributes:
        features: output channels.
        kernel_size: k, of both axes, or (rows, columns).
        stride: step on both axes.
        padding: zeros on all four sides, or (above and below, left and right).
        use_bias: whether a bias is added.
        dtype: compute dtype, the input's if None; the parameters stay float32.
        kernel_init: of the kernel; PyTorch's default U(±1/√(k²·C)) if None.
        bias_init: of the bias; likewise.
    """

    features: int
    kernel_size: int | tuple[int, int]
    stride: int = 1
    padding: int | tuple[int, int] = 0
    use_bias: bool = True
    dtype: Dtype | None = None
    kernel_init: Initializer | None = None
    bias_init: Initializer | None = None

    @nn.compact
    def __call__(self, x: Float[Array | np.ndarray, "B H W C"]) -> Float[Array, "B H2 W2 {self.features}"]:
        """Convolves; see `conv2d`."""
        (height, width), channels = _pair(self.kernel_size), x.shape[-1]
        init = uniform_fan_in(height * width * channels)
        dtype = self.dtype or x.dtype
        shape = (height, width, channels, self.features)
        kernel = self.param("kernel", self.kernel_init or init, shape, jnp.float32)
        y = conv2d(jnp.asarray(x).astype(dtype), kernel.astype(dtype), self.stride, self.padding)
        if self.use_bias:
            y = y + self.param("bias", self.bias_init or init, (self.features,), jnp.float32).astype(dtype)
        return y
