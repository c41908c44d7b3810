"""Every lowering of a convolution gives XLA's result, forwards and backwards."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ferjax.layers.conv import Conv, conv2d
from ferjax.layers.cpu import conv_lowerings, winograd

CPU_WAYS = {
    "patches": conv_lowerings.patches,
    "cpu": conv_lowerings.cpu,
}


def in_numpy(x, kernel, dy, stride, pads):
    """The sum over taps and its gradients: (y, dx, dkernel); `pads` may be negative, which crops.

    (XLA 0.10.2 ends the process where it transposes some convolutions of its own.)
    """
    filled = tuple((max(before, 0), max(after, 0)) for before, after in pads)
    cropped = (
        slice(None),
        *(slice(max(-before, 0), after if after < 0 else None) for before, after in pads),
    )
    padded = np.pad(x, ((0, 0), *filled, (0, 0)))
    window, dwindow, dkernel = padded[cropped], np.zeros_like(padded), np.zeros_like(kernel)
    rows, columns = (
        (n - k) // stride * stride + 1 for n, k in zip(window.shape[1:3], kernel.shape[:2], strict=True)
    )
    y = 0
    for i, j in np.ndindex(*kernel.shape[:2]):
        tap = slice(None), slice(i, i + rows, stride), slice(j, j + columns, stride)
        y = y + window[tap] @ kernel[i, j]
        if dy is not None:
            dwindow[cropped][tap] += dy @ kernel[i, j].T
            dkernel[i, j] = np.einsum("bhwi,bhwo->io", window[tap], dy)
    image = (slice(None), *(slice(b, b + n) for (b, _), n in zip(filled, x.shape[1:3], strict=True)))
    return y, dwindow[image], dkernel


def with_gradients(function, x, kernel):
    """Gives (y, dy, dx, dkernel)."""
    y, transpose = jax.vjp(function, x, kernel)
    dy = jnp.asarray(np.random.default_rng(1).normal(size=y.shape))
    return (y, dy, *transpose(dy))


def assert_is_the_sum(function, x, kernel, stride, pads, tolerance=1e-10):
    """Compares a convolution and its gradients in float64 with `in_numpy`."""
    with jax.enable_x64(True):
        y, dy, *gradients = jax.jit(partial(with_gradients, function))(x, kernel)
    for ours, right in zip((y, *gradients), in_numpy(x, kernel, np.asarray(dy), stride, pads), strict=True):
        assert ours.dtype == jnp.float64
        np.testing.assert_allclose(ours, right, rtol=tolerance, atol=tolerance)


@st.composite
def cases(draw):
    size = draw(st.integers(1, 3)), draw(st.integers(1, 12)), draw(st.integers(1, 12))
    kernel, stride = draw(st.sampled_from((1, 2, 3, 5))), draw(st.integers(1, 3))
    # At least one output; padding may reach beyond the image, as at 1×1 with a 3×3 kernel.
    smallest = max(0, -(-(kernel - min(size[1:])) // 2))
    padding = draw(st.integers(smallest, max(smallest, kernel // 2)))
    channels = draw(st.sampled_from((1, 3, 128, 130)))
    return size, kernel, stride, padding, channels, draw(st.integers(0, 2**32 - 1))


@pytest.mark.slow
@settings(max_examples=12, deadline=None)
@given(cases())
@example(((2, 12, 1), 2, 2, 1, 130, 0))  # the gradient by the image that XLA cannot compile
def test_conv2d_is_xlas_convolution(case):
    (batch, height, width), size, stride, padding, channels, seed = case
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(batch, height, width, channels))
    kernel = rng.normal(size=(size, size, channels, 2))
    pads = ((padding, padding),) * 2
    assert_is_the_sum(lambda x, k: conv2d(x, k, stride, padding), x, kernel, stride, pads)


@pytest.mark.parametrize(("size", "stride"), [(1, 1), (2, 2)])
@pytest.mark.parametrize("channels", [7, 521, 1024, 1036])  # one piece, 521 pieces, two, three
def test_few_pixels_read_the_kernel_in_pieces(size, stride, channels):
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(1, size, size, channels)), rng.normal(size=(3, 3, channels, 2))
    assert_is_the_sum(lambda x, k: conv2d(x, k, stride, 1), x, kernel, stride, ((1, 1), (1, 1)))


@pytest.mark.slow
@pytest.mark.parametrize("way", CPU_WAYS)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [1, 2, 4, 9])
def test_each_lowering_with_negative_and_uneven_padding(way, stride, size):
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(2, size, size + 1, 128)), rng.normal(size=(2, 3, 128, 4))
    window = conv_lowerings.Window(stride, ((1, 0), (2, -1)))
    assert_is_the_sum(lambda x, k: CPU_WAYS[way](x, k, window), x, kernel, stride, window.pads)


def test_only_taps_that_meet_the_image_are_multiplied():
    # At 1×1 with padding 1 the eight outer taps see nothing but zeros.
    x, kernel = jnp.ones((1, 1, 1, 128)), jnp.zeros((3, 3, 128, 2)).at[1, 1].set(1.0)
    poisoned = jnp.where(jnp.arange(9).reshape(3, 3, 1, 1) == 4, kernel, jnp.nan)
    np.testing.assert_array_equal(conv2d(x, poisoned, padding=1), 128.0)
    gradient = jax.grad(lambda k: conv2d(x, k, padding=1).sum())(kernel)
    assert jnp.count_nonzero(gradient) == gradient[1, 1].size


@st.composite
def odd_and_even(draw):
    """Image, padding on each side (negative ones crop) and channels, with at least one output."""
    batch, channels, features = draw(st.integers(1, 3)), draw(st.integers(1, 4)), draw(st.integers(1, 4))
    height, width = draw(st.integers(2, 9)), draw(st.integers(2, 9))
    pads = []
    for size in (height, width):
        before = draw(st.integers(-1, 2))
        pads.append((before, draw(st.integers(max(-1, 3 - size - before), max(2, 3 - size - before)))))
    return (batch, height, width, channels, features), tuple(pads), draw(st.integers(0, 2**32 - 1))


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(odd_and_even())
def test_fewer_products_give_the_same_sums(case):
    (batch, height, width, channels, features), pads, seed = case
    rng = np.random.default_rng(seed)
    x, kernel = rng.normal(size=(batch, height, width, channels)), rng.normal(size=(3, 3, channels, features))
    out = [size + sum(pad) - 2 for size, pad in zip((height, width), pads, strict=True)]
    dy = rng.normal(size=(batch, *out, features))
    y, dx, dkernel = in_numpy(x, kernel, dy, 1, pads)
    back = tuple((2 - before, 2 - after) for before, after in pads)
    with jax.enable_x64(True):
        images, taps, dimages = map(jnp.asarray, (x, kernel, dy))

        @jax.jit  # one program to compile instead of one for each operation
        def ways(images, taps, dimages):
            return {
                "convolve": winograd.convolve(images, taps, pads),
                "convolve_turned": winograd.convolve_turned(dimages, taps, back),
                "kernel_gradient": winograd.kernel_gradient(images, dimages, pads),
                "pairs": conv_lowerings.pairs(images, taps, conv_lowerings.Window(1, pads)),
            }

        ours = ways(images, taps, dimages)
    right = {"convolve": y, "convolve_turned": dx, "kernel_gradient": dkernel, "pairs": y}
    for name, expected in right.items():
        np.testing.assert_allclose(ours[name], expected, rtol=1e-11, atol=1e-11, err_msg=name)


def test_winograd_rounds_about_as_the_plain_sum_does():
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(2, 14, 14, 64)), rng.normal(size=(3, 3, 64, 64))
    window = conv_lowerings.Window(1, ((1, 1), (1, 1)))
    with jax.enable_x64(True):
        exact = conv_lowerings.xla(jnp.asarray(x), jnp.asarray(kernel), window)
    x, kernel = jnp.asarray(x, jnp.float32), jnp.asarray(kernel, jnp.float32)
    errors = [
        float(jnp.abs(way(x, kernel, window) - exact).max() / jnp.abs(exact).max())
        for way in (conv_lowerings.xla, conv_lowerings.winograd)
    ]
    assert errors[1] < 4 * errors[0] + 1e-7
    assert errors[1] < 2e-6


def chosen(image, kernel, stride=1, dtype=jnp.float32):
    window = conv_lowerings.Window(stride, ((1, 1), (1, 1)))
    given = jax.ShapeDtypeStruct(image, dtype), jax.ShapeDtypeStruct(kernel, dtype)
    return conv_lowerings.choose(*given, window)


def test_choice_by_shape():
    assert chosen((16, 32, 32, 64), (3, 3, 64, 128)) is conv_lowerings.winograd
    assert chosen((16, 7, 7, 512), (3, 3, 512, 512)) is conv_lowerings.winograd
    assert chosen((16, 32, 32, 64), (3, 3, 64, 128), stride=2) is conv_lowerings.xla
    assert chosen((16, 32, 32, 32), (3, 3, 32, 64)) is conv_lowerings.xla
    assert chosen((16, 32, 32, 64), (5, 5, 64, 128)) is conv_lowerings.xla
    assert chosen((16, 2, 2, 1024), (3, 3, 1024, 1024)) is conv_lowerings.patches
    assert chosen((1, 7, 7, 512), (3, 3, 512, 512)) is conv_lowerings.patches
    assert chosen((16, 8, 8, 256), (1, 1, 256, 512)) is conv_lowerings.patches
    assert chosen((16, 48, 48, 1), (7, 7, 1, 8)) is conv_lowerings.pairs
    assert chosen((16, 224, 224, 3), (7, 7, 3, 64), stride=2) is conv_lowerings.xla


def test_sums_over_tiles_are_not_rounded_to_bfloat16():
    assert chosen((16, 32, 32, 64), (3, 3, 64, 128), dtype=jnp.bfloat16) is conv_lowerings.xla


def test_initialisation_is_pytorchs_uniform():
    variables = Conv(64, 3).init(jax.random.key(0), jnp.zeros((1, 8, 8, 32)))["params"]
    bound = 1 / np.sqrt(3 * 3 * 32)
    for values in (variables["kernel"], variables["bias"]):
        assert jnp.abs(values).max() <= bound
        assert jnp.abs(values).max() > 0.9 * bound
    np.testing.assert_allclose(variables["kernel"].std(), bound / np.sqrt(3), rtol=0.02)


def test_bfloat16_result_and_float32_parameters():
    layer = Conv(8, 3, padding=1, dtype=jnp.bfloat16)
    x = jax.random.normal(jax.random.key(0), (2, 8, 8, 4))
    variables = layer.init(jax.random.key(1), x)
    assert variables["params"]["kernel"].dtype == jnp.float32
    y = layer.apply(variables, x)
    assert y.dtype == jnp.bfloat16
    wide = Conv(8, 3, padding=1).apply(variables, x)
    np.testing.assert_allclose(y.astype(jnp.float32), wide, atol=0.05)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="XLA for CPUs only")
@pytest.mark.parametrize("stride", [1, 2])
def test_in_a_loop_every_convolution_has_the_order_of_axes_that_is_fast(stride):
    """XLA for CPUs corrects another order only outside of loops; inside it takes thirty times as long."""
    x = jnp.ones((4, 12, 12, 3))

    def step(kernels, _):
        def loss(kernels):
            y = x
            for kernel in kernels:
                y = conv2d(y, kernel, stride, 1)
            return y.sum()

        return jax.tree.map(jnp.subtract, kernels, jax.grad(loss)(kernels)), None

    kernels = [jnp.ones((3, 3, 3, 8)), jnp.ones((3, 3, 8, 8))]
    program = jax.jit(lambda kernels: jax.lax.scan(step, kernels, length=3)[0]).lower(kernels).compile()
    convolutions = [line for line in program.as_text().splitlines() if " convolution(" in line]
    assert convolutions
    assert all("dim_labels=b01f_01io->b01f" in line for line in convolutions)
