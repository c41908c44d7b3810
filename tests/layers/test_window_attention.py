"""Relative positions against a loop; resizing and the transposed convolution against PyTorch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from ferjax.layers.upsampling import DoublingConv
from ferjax.layers.window_attention import relative_bias
from ferjax.models.ir50 import nearest


def test_a_bias_belongs_to_the_offset_of_two_places():
    side, heads = 3, 2
    table = np.random.default_rng(0).normal(size=((2 * side - 1) ** 2, heads)).astype(np.float32)
    found = relative_bias(jnp.asarray(table), side)
    for one in range(side**2):
        for other in range(side**2):
            down, right = (one // side - other // side, one % side - other % side)
            row = (down + side - 1) * (2 * side - 1) + right + side - 1
            np.testing.assert_array_equal(found[:, one, other], table[row])


@pytest.mark.parametrize(("size", "wanted"), [(224, 112), (100, 112), (48, 48), (7, 3)])
def test_resizing_takes_the_pixels_that_pytorch_takes(size, wanted):
    images = np.random.default_rng(0).normal(size=(1, size, size + 1, 2))
    theirs = torch.nn.functional.interpolate(torch.tensor(images).permute(0, 3, 1, 2), size=wanted)
    with jax.enable_x64(True):
        np.testing.assert_array_equal(nearest(jnp.asarray(images), wanted), theirs.permute(0, 2, 3, 1))


def test_the_transposed_convolution_is_pytorchs():
    theirs = torch.nn.ConvTranspose2d(3, 5, 2, 2).double()
    x = torch.randn(2, 3, 4, 3, dtype=torch.float64)
    kernel = theirs.weight.detach().permute(2, 3, 0, 1).numpy()
    with jax.enable_x64(True):
        params = {"kernel": jnp.asarray(kernel), "bias": jnp.asarray(theirs.bias.detach().numpy())}
        found = DoublingConv(5).apply({"params": params}, jnp.asarray(x.permute(0, 2, 3, 1).numpy()))
    np.testing.assert_allclose(found, theirs(x).detach().permute(0, 2, 3, 1), rtol=1e-12, atol=1e-12)
