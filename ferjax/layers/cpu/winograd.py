"""Convolutions of 3×3 and stride 1 with fewer products: Winograd's minimal filtering, F(2×2, 3×3).

Each 2×2 block of the output is Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A of the kernel g and a 4×4 tile d of the image: 16
products where the sum over taps takes 36 (Lavin and Gray, "Fast Algorithms for Convolutional Neural
Networks", CVPR 2016, eq. 8 and 12). Summed over channels, each of the 16 is one matrix product over all
tiles. All constants are 0, ±1 and ½, so float32 rounds about as it does in the plain sum.
"""

from collections.abc import Sequence

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

Pads = tuple[tuple[int, int], tuple[int, int]]

# G of a kernel turned by 180° is G of the kernel with its rows in this order.
TURNED = (3, 1, 2, 0)


def convolve(
    x: Float[Array, "B H W C"], kernel: Float[Array, "3 3 C O"], pads: Pads
) -> Float[Array, "B H2 W2 O"]:
    """Convolves images with a kernel.

    Args:
        x: float32 or float64.
        kernel: of the dtype of `x`.
        pads: ((top, bottom), (left, right)) zeros; a negative count crops.

    Returns:
        The output of height H2 = H + top + bottom − 2, and likewise of width W2.
    """
    return _filtered(x, _taps(kernel), pads)


def convolve_turned(
    x: Float[Array, "B H W O"], kernel: Float[Array, "3 3 C O"], pads: Pads
) -> Float[Array, "B H2 W2 C"]:
    """Convolves with the kernel turned by 180° and its channels exchanged: the gradient by the image.

    The kernel is not copied: the transform of the turned one is that of the kernel in another order.

    Args:
        x: float32 or float64.
        kernel: of the dtype of `x`.
        pads: ((top, bottom), (left, right)) zeros; a negative count crops.

    Returns:
        The output of height H2 = H + top + bottom − 2, and likewise of width W2.
    """
    taps = _taps(kernel)
    return _filtered(x, [taps[4 * i + j].T for i in TURNED for j in TURNED], pads)


def kernel_gradient(
    x: Float[Array, "B H W C"], dy: Float[Array, "B H2 W2 O"], pads: Pads
) -> Float[Array, "3 3 C O"]:
    """Computes the gradient of `convolve` by its kernel from that by its output, `dy`."""
    rows, columns = _blocks(dy.shape[1]), _blocks(dy.shape[2])
    even = ((0, 0, 0), (0, 2 * rows - dy.shape[1], 0), (0, 2 * columns - dy.shape[2], 0), (0, 0, 0))
    dy = lax.pad(dy, jnp.zeros((), dy.dtype), even)
    spread = [
        part
        for row in _output_spread([_every_other(dy, i, rows, axis=1) for i in range(2)])
        for part in _output_spread([_every_other(row, j, columns, axis=2) for j in range(2)])
    ]
    taps = [
        tile.reshape(-1, x.shape[-1]).T @ part.reshape(-1, dy.shape[-1])
        for tile, part in zip(_tiles(x, pads, rows, columns), spread, strict=True)
    ]
    columns_of_rows = [_kernel_spread(taps[4 * i : 4 * i + 4]) for i in range(4)]
    gradient = [_kernel_spread(column) for column in zip(*columns_of_rows, strict=True)]  # [column][row]
    return jnp.stack([jnp.stack(row) for row in zip(*gradient, strict=True)])


def _blocks(size: int) -> int:
    """Counts the blocks of 2 along an axis; of an odd one, the last block's second half is cut off."""
    return -(-size // 2)


def _filtered(x: Array, taps: Sequence[Array], pads: Pads) -> Array:
    """Computes the output of 16 transformed taps, each `[C, O]`."""
    height, width = (size + sum(pad) - 2 for size, pad in zip(x.shape[1:3], pads, strict=True))
    rows, columns = _blocks(height), _blocks(width)
    products = [
        tile.reshape(-1, x.shape[-1]) @ tap
        for tile, tap in zip(_tiles(x, pads, rows, columns), taps, strict=True)
    ]
    columns_of_rows = [_output_sums(products[4 * i : 4 * i + 4]) for i in range(4)]
    sums = [_output_sums(column) for column in zip(*columns_of_rows, strict=True)]  # [column][row]
    blocks = [[part.reshape(x.shape[0], rows, columns, -1) for part in column] for column in sums]
    y = jnp.stack([jnp.stack(row, axis=3) for row in zip(*blocks, strict=True)], axis=2)
    return y.reshape(x.shape[0], 2 * rows, 2 * columns, -1)[:, :height, :width]


def _tiles(x: Array, pads: Pads, rows: int, columns: int) -> list[Array]:
    """Computes Bᵀ d B of all tiles: 16 of `[B, rows, columns, C]`, row by row."""
    (top, _), (left, _) = pads
    height, width = x.shape[1:3]
    config = (
        (0, 0, 0),
        (top, 2 * rows + 2 - top - height, 0),
        (left, 2 * columns + 2 - left - width, 0),
        (0, 0, 0),
    )
    # Without the barrier, XLA computes x anew for each of the tile's sums.
    padded = lax.optimization_barrier(lax.pad(x, jnp.zeros((), x.dtype), config))
    return [
        tile
        for part in _tile_sums([_every_other(padded, i, rows, axis=1) for i in range(4)])
        for tile in _tile_sums([_every_other(part, j, columns, axis=2) for j in range(4)])
    ]


def _every_other(x: Array, first: int, count: int, axis: int) -> Array:
    """Takes every other element of an axis, `count` of them from `first` on."""
    return lax.slice_in_dim(x, first, first + 2 * count - 1, 2, axis)


def _taps(kernel: Array) -> list[Array]:
    """Computes G g Gᵀ of `[3, 3, C, O]`: 16 of `[C, O]`, row by row."""
    return [tap for row in _kernel_sums(kernel) for tap in _kernel_sums(row)]


def _kernel_sums(g: Array) -> list[Array]:
    """Computes G g along the first axis."""
    ends = g[0] + g[2]
    return [g[0], (ends + g[1]) / 2, (ends - g[1]) / 2, g[2]]


def _kernel_spread(m: Sequence[Array]) -> list[Array]:
    """Computes Gᵀ m."""
    middle = (m[1] + m[2]) / 2
    return [m[0] + middle, (m[1] - m[2]) / 2, middle + m[3]]


def _tile_sums(d: Sequence[Array]) -> list[Array]:
    """Computes Bᵀ d."""
    return [d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]]


def _output_sums(m: Sequence[Array]) -> list[Array]:
    """Computes Aᵀ m."""
    return [m[0] + m[1] + m[2], m[1] - m[2] - m[3]]


def _output_spread(y: Sequence[Array]) -> list[Array]:
    """Computes A y."""
    return [y[0], y[0] + y[1], y[0] - y[1], -y[1]]
