"""A convolution for CPUs and its two gradients, each by the operations that are fastest for its shape.

XLA's CPU convolution, by Eigen (`ferjax.platform.xla_flags`), is near the machine's peak forwards, wherever
the image is larger than a few pixels, and so is its gradient by the kernel. Its gradient by the image is not;
and at 1×1 and 2×2 pixels with thousands of channels, as in ResEmoteNet's last layers, none of the three is.
There the same sums are written as matrix products. Most layers of the deep networks are 3×3 with many
channels, and take less than half the products (`ferjax.layers.cpu.winograd`). `benchmarks/conv_lowerings.py`
measures each lowering against the others.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from ferjax.layers.cpu import winograd as minimal


class Window(NamedTuple):
    """A stride for both axes, and ((top, bottom), (left, right)) zeros; a negative count crops."""

    stride: int
    pads: tuple[tuple[int, int], tuple[int, int]]


Images = Float[Array, "B H W C"]
Kernel = Float[Array, "kh kw C O"]
Output = Float[Array, "B H2 W2 O"]
Lowering = Callable[[Array, Array, Window], Array]
Transposed = Callable[[Array], tuple[Array, Array]]

# Images of at most this many pixels, with at least this many channels, go through patches.
FEW_PIXELS, MANY_CHANNELS = 64, 128
# Images of at most this many pixels give the kernel's gradient by one product a tap.
TINY_PIXELS = 4
# Winograd's filtering pays from this many channels in and out, and this many blocks of 2×2 output pixels in
# the whole batch; for the kernel's gradient also from this product of the channels.
WINOGRAD_CHANNELS, WINOGRAD_BLOCKS, WINOGRAD_PRODUCT = 64, 100, 64 * 128
# Up to this many channels, `pairs` is faster than XLA's convolution.
FEW_CHANNELS = 10
# Up to this many output pixels in the whole batch, a trimmed kernel is read tap by tap, in pieces of at most
# this many rows.
FEW_ROWS, PIECE = 8, 512


def choose(x: Array | jax.ShapeDtypeStruct, kernel: Array | jax.ShapeDtypeStruct, window: Window) -> Lowering:
    """Chooses the fastest forward lowering on x86-64, by shape and dtype.

    Args:
        x: `[B, H, W, C]`.
        kernel: `[kh, kw, C, O]`.
        window: stride and padding.
    """
    if _is_minimal(x, kernel, window):
        return winograd
    few = x.shape[1] * x.shape[2] <= FEW_PIXELS
    pointwise = kernel.shape[0] == kernel.shape[1] == 1
    if pointwise or (few and kernel.shape[2] >= MANY_CHANNELS):
        return patches
    return pairs if window.stride == 1 and kernel.shape[2] <= FEW_CHANNELS else xla


def _is_minimal(
    x: Array | jax.ShapeDtypeStruct, kernel: Array | jax.ShapeDtypeStruct, window: Window
) -> bool:
    """Tells whether Winograd's filtering saves more products than its transforms cost, and is precise."""
    if kernel.shape[:2] != (3, 3) or window.stride != 1 or min(kernel.shape[2:]) < WINOGRAD_CHANNELS:
        return False
    # A batch may be a symbol, in a program that is exported for every batch; it can be one image.
    batch = x.shape[0] if isinstance(x.shape[0], int) else 1
    height, width = (size + sum(pad) - 2 for size, pad in zip(x.shape[1:3], window.pads, strict=True))
    # The sums over tiles would be rounded to bfloat16.
    return x.dtype.itemsize >= 4 and batch * height * width >= 4 * WINOGRAD_BLOCKS


def xla(x: Images, kernel: Kernel, window: Window) -> Output:
    """Calls XLA's convolution."""
    return lax.conv_general_dilated(
        x,
        kernel,
        (window.stride, window.stride),
        window.pads,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def winograd(x: Images, kernel: Kernel, window: Window) -> Output:
    """Convolves with a 3×3 kernel and stride 1 in fewer products."""
    return minimal.convolve(x, kernel, window.pads)


def patches(x: Images, kernel: Kernel, window: Window) -> Output:
    """Puts all patches side by side, then takes one matrix product."""
    columns = jnp.concatenate(list(_views(x, kernel.shape, window)), axis=-1)
    return columns @ kernel.reshape(-1, kernel.shape[-1])


def pairs(x: Images, kernel: Kernel, window: Window) -> Output:
    """Computes two neighbouring columns of the output by one matrix product, for stride 1 and few channels.

    A product is fast with long rows. A patch that serves two columns is one column wider than theirs, which
    share the rest, and there are half as many patches. The kernel stands twice in the weights, the second
    time one column further.
    """
    kh, kw, _, features = kernel.shape
    (top, bottom), (left, right) = window.pads
    batch, height, width, _ = x.shape
    height, width = height + top + bottom - kh + 1, width + left + right - kw + 1
    half = -(-width // 2)
    right += 2 * half - width  # an odd last column is computed with the one after it, which is cut off
    padded = lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), (top, bottom, 0), (left, right, 0), (0, 0, 0)))
    columns = [lax.slice_in_dim(padded, j, j + 2 * half - 1, 2, axis=2) for j in range(kw + 1)]
    # Columns first and rows second is fewer and longer pieces than both at once.
    strips = lax.optimization_barrier(jnp.concatenate(columns, axis=-1))
    patches = jnp.concatenate([strips[:, i : i + height] for i in range(kh)], axis=-1)
    twice = [jnp.pad(kernel, ((0, 0), (shift, 1 - shift), (0, 0), (0, 0))) for shift in (0, 1)]
    y = patches @ jnp.stack(twice, axis=3).reshape(-1, 2 * features)
    return y.reshape(batch, height, 2 * half, features)[:, :, :width]


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def cpu(x: Images, kernel: Kernel, window: Window) -> Output:
    """Convolves by the chosen lowering; `image_gradient` and `kernel_gradient` are its gradients."""
    return choose(x, kernel, window)(x, kernel, window)


def _forward(x: Array, kernel: Array, window: Window) -> tuple[Array, tuple[Array, Array]]:
    return cpu(x, kernel, window), (x, kernel)


def _backward(window: Window, inputs: tuple[Array, Array], dy: Array) -> tuple[Array, Array]:
    x, kernel = inputs
    return image_gradient(x, kernel, dy, window), kernel_gradient(x, kernel, dy, window)


cpu.defvjp(_forward, _backward)


def image_gradient(x: Images, kernel: Kernel, dy: Output, window: Window) -> Images:
    """Computes the gradient by `x` from that by the output, `dy`.

    With stride 1 it is a convolution of `dy` with the kernel turned by 180°, as XLA's own transposition of a
    convolution does not use its fast code. Where the forward lowering is `patches` or `pairs`, the gradient
    of each patch is added at its place, which needs no turned copy of a large kernel.
    """
    chosen = choose(x, kernel, window)
    if window.stride > 1 or chosen in (patches, pairs):
        scattered = pairs if chosen is pairs else patches
        (dx,) = jax.linear_transpose(lambda x: scattered(x, kernel, window), x)(dy)
        return dx
    (top, bottom), (left, right) = window.pads
    rows, columns = kernel.shape[0] - 1, kernel.shape[1] - 1
    back = Window(1, ((rows - top, rows - bottom), (columns - left, columns - right)))
    if chosen is winograd:
        return minimal.convolve_turned(dy, kernel, back.pads)
    return xla(dy, kernel[::-1, ::-1].swapaxes(2, 3), back)


def kernel_gradient(x: Images, kernel: Kernel, dy: Output, window: Window) -> Kernel:
    """Computes the gradient by `kernel`: by a convolution, or by one matrix product a tap."""
    if _is_minimal(x, kernel, window) and kernel.shape[2] * kernel.shape[3] >= WINOGRAD_PRODUCT:
        return minimal.kernel_gradient(x, dy, window.pads)
    pointwise = kernel.shape[0] == kernel.shape[1] == 1
    if not pointwise and x.shape[1] * x.shape[2] > TINY_PIXELS:
        return _correlation(x, dy, kernel, window)
    flat = dy.reshape(-1, dy.shape[-1])
    taps = [
        # The barrier keeps XLA from gathering the view anew inside the product.
        lax.dot_general(
            lax.optimization_barrier(view.reshape(-1, x.shape[-1])), flat, (((0,), (0,)), ((), ()))
        )
        for view in _views(x, kernel.shape, window)
    ]
    return jnp.stack(taps).reshape(kernel.shape)


def _correlation(x: Array, dy: Array, kernel: Array, window: Window) -> Array:
    """Computes the gradient by the kernel as a convolution with batch and channels exchanged.

    XLA's own transposition takes the same sums in an order of axes that is slow, and that XLA corrects only
    outside of loops: inside one (several steps a call, or a batch in parts) it is thirty times as slow.
    """
    spans = [(size - 1) * window.stride for size in dy.shape[1:3]]
    pads = [
        (before, taps + span - size - before)
        for (before, _), taps, span, size in zip(
            window.pads, kernel.shape[:2], spans, x.shape[1:3], strict=True
        )
    ]
    gradient = lax.conv_general_dilated(
        x.transpose(3, 1, 2, 0),
        dy.transpose(1, 2, 0, 3),
        (1, 1),
        pads,
        rhs_dilation=(window.stride, window.stride),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return gradient.transpose(1, 2, 0, 3)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def tap_by_tap(x: Images, kernel: Kernel, window: Window, rows: range, columns: range) -> Output:
    """Convolves tap after tap, each read in pieces straight from the whole kernel.

    This is for a handful of output pixels, where copying the taps that meet the image out of a large kernel
    costs several times what the products do. A piece is copied too, but stays in the processor's cache.

    Args:
        x: images.
        kernel: all taps.
        window: stride, and padding for the taps in `rows` and `columns`.
        rows: those of the kernel that meet the image.
        columns: likewise.
    """
    channels, features = kernel.shape[2:]
    size = max(size for size in range(1, min(channels, PIECE) + 1) if channels % size == 0)
    count = channels // size
    views = jnp.stack(list(_views(x, (len(rows), len(columns)), window)))
    views = jnp.moveaxis(views.reshape(*views.shape[:-1], count, size), -2, 1)
    taps = jnp.array([row * kernel.shape[1] + column for row in rows for column in columns])
    flat = kernel.reshape(-1, size, features)

    def add(total: Array, item: tuple[Array, Array]) -> tuple[Array, None]:
        view, piece = item
        return total + view @ lax.dynamic_index_in_dim(flat, piece, keepdims=False), None

    pieces = (taps[:, None] * count + jnp.arange(count)).reshape(-1)
    zeros = jnp.zeros((*views.shape[2:-1], features), x.dtype)
    return lax.scan(add, zeros, (views.reshape(-1, *views.shape[2:]), pieces))[0]


def _tap_by_tap_forward(
    x: Array, kernel: Array, window: Window, rows: range, columns: range
) -> tuple[Array, Transposed]:
    """Copies the taps that meet the image once, as the gradients need them again."""

    def trimmed(x: Array, kernel: Array) -> Array:
        return cpu(x, kernel[rows.start : rows.stop, columns.start : columns.stop], window)

    return jax.vjp(trimmed, x, kernel)


def _tap_by_tap_backward(
    window: Window, rows: range, columns: range, transposed: Transposed, dy: Array
) -> tuple[Array, Array]:
    return transposed(dy)


tap_by_tap.defvjp(_tap_by_tap_forward, _tap_by_tap_backward)


def _views(x: Array, kernel: tuple[int, ...], window: Window) -> Iterator[Array]:
    """Yields the strided view of the padded image under each tap, `[B, H2, W2, C]`, row by row."""
    config = ((0, 0, 0), (*window.pads[0], 0), (*window.pads[1], 0), (0, 0, 0))
    padded = lax.pad(x, jnp.zeros((), x.dtype), config)
    batch, height, width, channels = padded.shape
    kh, kw, stride = kernel[0], kernel[1], window.stride
    rows, columns = (height - kh) // stride * stride + 1, (width - kw) // stride * stride + 1
    for i in range(kh):
        for j in range(kw):
            stop = (batch, i + rows, j + columns, channels)
            yield lax.slice(padded, (0, i, j, 0), stop, (1, stride, stride, 1))
