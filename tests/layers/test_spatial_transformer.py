"""The sampler against PyTorch's affine_grid and grid_sample, and the transformer around it."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from ferjax.errors import UserError
from ferjax.layers import spatial_transformer
from ferjax.layers.spatial_transformer import (
    SpatialTransformer,
    affine_sample,
    by_gather,
    by_products,
    source_places,
)

FORMULATIONS = {"gather": by_gather, "products": by_products}
IDENTITY = np.array([[1.0, 0, 0], [0, 1, 0]])


def torch_sample(images, theta, out_hw, align_corners, dsamples=None):
    """Samples, and the gradients by images and theta if the result's is given; NHWC outside, NCHW inside."""
    images = torch.tensor(np.moveaxis(images, -1, 1), requires_grad=True)
    theta = torch.tensor(theta, requires_grad=True)
    size = [images.shape[0], images.shape[1], *out_hw]
    grid = functional.affine_grid(theta, size, align_corners=align_corners)
    samples = functional.grid_sample(images, grid, padding_mode="zeros", align_corners=align_corners)
    if dsamples is None:
        return np.moveaxis(samples.detach().numpy(), 1, -1)
    samples.backward(torch.tensor(np.moveaxis(dsamples, -1, 1)))
    samples = np.moveaxis(samples.detach().numpy(), 1, -1)
    return samples, np.moveaxis(images.grad.numpy(), 1, -1), theta.grad.numpy()


@partial(jax.jit, static_argnames=("out_hw", "align_corners", "formulation"))
def sample_and_gradients(images, theta, dsamples, out_hw, align_corners, formulation):
    def sample(images, theta):
        x, y = source_places(theta, images.shape[1:3], out_hw, align_corners)
        return FORMULATIONS[formulation](images, x, y).reshape(dsamples.shape)

    samples, back = jax.vjp(sample, images, theta)
    return samples, *back(dsamples)


def problem(seed, in_hw, out_hw, channels, dtype=np.float64, batch=3):
    """Images in [0, 1) and maps that turn, stretch, shift and leave the image."""
    rng = np.random.default_rng(seed)
    images = rng.random((batch, *in_hw, channels)).astype(dtype)
    theta = (IDENTITY + rng.normal(0, 0.4, (batch, 2, 3))).astype(dtype)
    return images, theta, rng.normal(size=(batch, *out_hw, channels)).astype(dtype)


@pytest.mark.parametrize("formulation", FORMULATIONS)
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(
    ("in_hw", "out_hw", "channels"),
    [
        ((5, 9), (7, 4), 3),  # the rows are summed first
        pytest.param((8, 3), (1, 5), 9, marks=pytest.mark.slow),  # the weights are multiplied first
        pytest.param((1, 1), (4, 1), 2, marks=pytest.mark.slow),
    ],
)
@pytest.mark.filterwarnings("ignore:Since version 1.3.0, affine_grid:UserWarning")  # of one pixel
def test_samples_and_gradients_are_pytorchs(formulation, align_corners, in_hw, out_hw, channels):
    images, theta, dsamples = problem(0, in_hw, out_hw, channels)
    expected = torch_sample(images, theta, out_hw, align_corners, dsamples)
    with jax.enable_x64(True):
        found = sample_and_gradients(images, theta, dsamples, out_hw, align_corners, formulation)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == np.float64
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("align_corners", [False, True])
def test_float32_at_the_size_of_the_papers(align_corners):
    images, theta, _ = problem(1, (48, 48), (48, 48), 3, np.float32)
    theirs = torch_sample(images, theta, (48, 48), align_corners)
    sample = jax.jit(affine_sample, static_argnums=(2, 3))
    ours = sample(images, theta, (48, 48), align_corners)
    assert ours.dtype == jnp.float32
    assert np.abs(ours - theirs).max() < 1e-5


@given(theta=st.lists(st.floats(-4, 4, width=32), min_size=6, max_size=6))
@settings(max_examples=30, deadline=None)
def test_any_map(theta):
    images, _, dsamples = problem(2, (5, 9), (7, 4), 3, batch=1)
    theta = np.array(theta).reshape(1, 2, 3)
    expected = torch_sample(images, theta, (7, 4), False)
    with jax.enable_x64(True):
        for formulation in FORMULATIONS:
            ours, *_ = sample_and_gradients(images, theta, dsamples, (7, 4), False, formulation)
            np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_the_identity_changes_no_bit_and_looks_to_the_next_pixel(formulation, align_corners):
    images, _, dsamples = problem(3, (6, 11), (6, 11), 2, np.float32)
    theta = np.broadcast_to(IDENTITY, (3, 2, 3)).astype(np.float32)
    samples, dimages, dtheta = sample_and_gradients(
        images, theta, dsamples, (6, 11), align_corners, formulation
    )
    np.testing.assert_array_equal(samples, images)
    np.testing.assert_array_equal(dimages, dsamples)
    rightwards = np.diff(np.pad(images, ((0, 0), (0, 0), (0, 1), (0, 0))), axis=2)
    shift = (dsamples * rightwards).sum((1, 2, 3)) * (5 if align_corners else 5.5)
    np.testing.assert_allclose(dtheta[:, 0, 2], shift, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_far_outside_samples_and_gradients_are_zero(formulation):
    images, theta, dsamples = problem(4, (6, 11), (6, 11), 2, np.float32)
    theta[:, :, 2] += np.array([[1e3, 0], [0, -1e9], [1e30, 1e30]])
    for values in sample_and_gradients(images, theta, dsamples, (6, 11), False, formulation):
        np.testing.assert_array_equal(values, np.zeros_like(values))


def test_bfloat16_images_keep_a_precise_grid():
    images, theta, _ = problem(5, (32, 32), (32, 32), 1, np.float32)
    sample = jax.jit(affine_sample, static_argnums=2)
    half = sample(jnp.asarray(images, jnp.bfloat16), theta, (32, 32))
    assert half.dtype == jnp.bfloat16
    np.testing.assert_allclose(
        half.astype(np.float32), torch_sample(images, theta, (32, 32), False), atol=0.01
    )


def lowered(platform, shape):
    """The program for samples and both gradients."""
    images, theta = jax.ShapeDtypeStruct(shape, np.float32), jax.ShapeDtypeStruct((2, 2, 3), np.float32)

    def both(images, theta):
        samples, back = jax.vjp(lambda *inputs: affine_sample(*inputs, shape[1:3]), images, theta)
        return samples, back(samples)

    return jax.export.export(jax.jit(both), platforms=[platform])(images, theta).mlir_module()


def test_the_formulation_is_chosen_by_platform_and_size(monkeypatch):
    gather, scatter, product = "stablehlo.gather", "stablehlo.scatter", "stablehlo.dot_general"
    on_tpu, on_cpu = lowered("tpu", (2, 12, 12, 4)), lowered("cpu", (2, 12, 12, 4))
    assert product in on_tpu
    assert gather not in on_tpu
    assert scatter not in on_tpu
    assert gather in on_cpu
    assert product not in on_cpu
    monkeypatch.setattr(spatial_transformer, "TPU_PRODUCTS", 0)
    large_on_tpu = lowered("tpu", (2, 12, 12, 4))
    assert gather in large_on_tpu
    assert product not in large_on_tpu


@pytest.mark.parametrize(
    ("images", "theta", "out_hw", "message"),
    [
        ((2, 4, 4), (2, 2, 3), (4, 4), r"images \[B, H, W, C\] and theta \[B, 2, 3\], not \[2, 4, 4\]"),
        ((2, 4, 4, 1), (1, 2, 3), (4, 4), r"not \[2, 4, 4, 1\] and \[1, 2, 3\]"),
        ((2, 4, 4, 1), (2, 6), (4, 4), r"and \[2, 6\]"),
        ((2, 4, 4, 1), (2, 2, 3), (0, 4), "at least 1×1 pixels, not 0×4"),
    ],
)
def test_shapes_that_do_not_fit(images, theta, out_hw, message):
    with pytest.raises(UserError, match=message):
        affine_sample(jnp.zeros(images), jnp.zeros(theta), out_hw)


@pytest.mark.slow
def test_a_new_transformer_shows_the_image_and_can_learn():
    layer = SpatialTransformer((4, 5), kernel_sizes=(5, 3), hidden=6)

    @jax.jit
    def start(images):
        variables = layer.init(jax.random.key(1), images)
        target = jnp.roll(images, 1, axis=2)

        def loss(variables):
            view, updates = layer.apply(variables, images, mutable=["intermediates"])
            return jnp.square(view - target).mean(), (view, updates["intermediates"])

        return variables["params"], *jax.grad(loss, has_aux=True)(variables)

    images = np.random.default_rng(0).random((2, 12, 16, 3), np.float32)
    params, gradients, (view, updates) = start(images)
    assert jax.tree.map(jnp.shape, params["conv2"]) == {"kernel": (3, 3, 4, 5), "bias": (5,)}
    assert params["fc1"]["kernel"].shape == (5 * 3 * 4, 6)
    np.testing.assert_array_equal(view, images)
    np.testing.assert_array_equal(updates["view"][0], images)
    np.testing.assert_array_equal(updates["theta"][0], np.broadcast_to(IDENTITY, (2, 2, 3)))
    for gradient in gradients["params"]["fc2"].values():
        assert jnp.abs(gradient).max() > 0


def test_theta_stays_precise_in_bfloat16():
    layer = SpatialTransformer((4,), kernel_sizes=(3,), dtype=jnp.bfloat16)
    init = partial(layer.init_with_output, mutable=["params", "intermediates"])
    view, updates = jax.eval_shape(init, jax.random.key(0), jnp.zeros((1, 8, 8, 1), jnp.bfloat16))
    assert updates["intermediates"]["theta"][0].dtype == jnp.float32
    assert view.dtype == jnp.bfloat16
