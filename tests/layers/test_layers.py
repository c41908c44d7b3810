"""Batch normalisation, linear layers, pooling and squeeze-and-excitation against PyTorch's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ferjax.layers.linear import Linear
from ferjax.layers.norm import BatchNorm
from ferjax.layers.pooling import global_average_pool, max_pool_2x2
from ferjax.layers.squeeze_excitation import SqueezeExcitation

torch = pytest.importorskip("torch")


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape)


def nchw(x: np.ndarray) -> "torch.Tensor":
    return torch.from_numpy(x).permute(0, 3, 1, 2).contiguous()


@pytest.mark.slow
def test_batch_norm_outputs_statistics_and_gradients():
    x, dy = images(4, 3, 5, 6) * 2 + 1, images(4, 3, 5, 6)[::-1].copy()
    theirs = torch.nn.BatchNorm2d(6).double()
    with torch.no_grad():
        theirs.weight.copy_(torch.linspace(0.5, 2, 6, dtype=torch.float64))
        theirs.bias.copy_(torch.linspace(-1, 1, 6, dtype=torch.float64))
    inputs = nchw(x).requires_grad_()
    outputs = theirs(inputs)
    outputs.backward(nchw(dy))

    with jax.enable_x64(True):
        variables = {
            "params": {"scale": jnp.linspace(0.5, 2, 6), "bias": jnp.linspace(-1, 1, 6)},
            "batch_stats": {"mean": jnp.zeros(6), "var": jnp.ones(6)},
        }

        def run(params, x):
            y, updates = BatchNorm().apply(
                {**variables, "params": params}, x, train=True, mutable=["batch_stats"]
            )
            return y, updates["batch_stats"]

        y, transpose, stats = jax.vjp(run, variables["params"], jnp.asarray(x), has_aux=True)
        params_gradient, x_gradient = transpose(jnp.asarray(dy))
        pairs = [
            (y, outputs.detach().permute(0, 2, 3, 1)),
            (x_gradient, inputs.grad.permute(0, 2, 3, 1)),
            (params_gradient["scale"], theirs.weight.grad),
            (params_gradient["bias"], theirs.bias.grad),
            (stats["mean"], theirs.running_mean),
            (stats["var"], theirs.running_var),
        ]
        for ours, expected in pairs:
            np.testing.assert_allclose(ours, expected.detach().numpy(), rtol=1e-9, atol=1e-9)

        theirs.eval()
        evaluated = BatchNorm().apply({**variables, "batch_stats": stats}, jnp.asarray(x), train=False)
        expected = theirs(nchw(x)).detach().permute(0, 2, 3, 1).numpy()
        np.testing.assert_allclose(evaluated, expected, rtol=1e-9, atol=1e-9)


def test_batch_norm_keeps_statistics_in_float32_for_bfloat16_input():
    x = jnp.asarray(images(8, 4, 4, 3), jnp.bfloat16)
    variables = BatchNorm().init(jax.random.key(0), x, train=False)
    y, updates = BatchNorm().apply(variables, x, train=True, mutable=["batch_stats"])
    assert y.dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves(updates)} == {jnp.dtype("float32")}


@pytest.mark.slow
@pytest.mark.parametrize("size", [(2, 2), (5, 4), (7, 9), (1, 4)])
def test_max_pool_leaves_out_an_odd_edge(size):
    x = images(2, *size, 3)
    if min(size) < 2:
        assert max_pool_2x2(jnp.asarray(x)).size == 0
        return
    expected = torch.nn.functional.max_pool2d(nchw(x), 2).permute(0, 2, 3, 1)
    np.testing.assert_array_equal(max_pool_2x2(jnp.asarray(x)), expected.numpy().astype(np.float32))


def test_max_pool_gradient():
    x = images(2, 6, 6, 3)
    inputs = nchw(x).requires_grad_()
    torch.nn.functional.max_pool2d(inputs, 2).square().sum().backward()
    gradient = jax.grad(lambda x: jnp.square(max_pool_2x2(x)).sum())(jnp.asarray(x))
    np.testing.assert_allclose(gradient, inputs.grad.permute(0, 2, 3, 1), rtol=1e-6)


def test_global_average_pool():
    x = images(2, 3, 4, 5)
    np.testing.assert_allclose(global_average_pool(jnp.asarray(x)), x.mean((1, 2)), atol=1e-6)


@pytest.mark.parametrize("use_bias", [True, False])
def test_linear(use_bias):
    x = images(4, 6).astype(np.float32)
    layer = Linear(3, use_bias=use_bias)
    variables = layer.init(jax.random.key(0), jnp.asarray(x))
    params = variables["params"]
    assert set(params) == ({"kernel", "bias"} if use_bias else {"kernel"})
    assert jnp.abs(params["kernel"]).max() <= 1 / np.sqrt(6)
    expected = x @ params["kernel"] + params.get("bias", 0)
    np.testing.assert_allclose(layer.apply(variables, jnp.asarray(x)), expected, rtol=1e-5, atol=1e-6)


def test_squeeze_excitation():
    from ferjax.interop.torch_models import resemotenet

    theirs = resemotenet.SqueezeExcitation(32, reduction=4).double()
    x = images(2, 3, 3, 32)
    with jax.enable_x64(True):
        params = {
            "fc1": {"kernel": jnp.asarray(theirs.fc[0].weight.detach().numpy().T)},
            "fc2": {"kernel": jnp.asarray(theirs.fc[2].weight.detach().numpy().T)},
        }
        y, sown = SqueezeExcitation(reduction=4).apply(
            {"params": params}, jnp.asarray(x), mutable=["intermediates"]
        )
        (weights,) = sown["intermediates"]["weights"]
        assert weights.shape == (2, 32)
        assert 0 < weights.min() < weights.max() < 1
        expected = theirs(nchw(x)).detach().permute(0, 2, 3, 1).numpy()
        np.testing.assert_allclose(y, expected, rtol=1e-9, atol=1e-12)
