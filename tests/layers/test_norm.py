import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from ferjax.layers.norm import BatchNorm

SHAPES = {"batch": (8, 3), "images": (4, 5, 6, 3), "one pixel": (2, 1, 1, 3)}


def torchs(x):
    """Channels second, as PyTorch has them."""
    return np.moveaxis(x, -1, 1)


def back(x):
    return np.moveaxis(x.detach().numpy(), 1, -1)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("momentum", [0.9, 0.6])
def test_outputs_statistics_and_gradients_are_pytorchs(shape, momentum):
    generator = np.random.default_rng(0)
    x, dy = (generator.normal(3, 2, SHAPES[shape]) for _ in range(2))
    scale, bias = generator.normal(1, 0.5, 3), generator.normal(0, 1, 3)
    kind = torch.nn.BatchNorm1d if x.ndim == 2 else torch.nn.BatchNorm2d
    reference = kind(3, momentum=1 - momentum, eps=1e-3, dtype=torch.float64)
    with torch.no_grad():
        reference.weight.copy_(torch.tensor(scale))
        reference.bias.copy_(torch.tensor(bias))

    with jax.enable_x64(True):
        layer = BatchNorm(momentum=momentum, epsilon=1e-3)
        params = {"scale": jnp.asarray(scale), "bias": jnp.asarray(bias)}
        stats = {"mean": jnp.zeros(3), "var": jnp.ones(3)}

        def forwards(params, stats, x):
            return layer.apply({"params": params, "batch_stats": stats}, x, True, mutable=["batch_stats"])

        for step in range(3):
            batch = x + step
            theirs = torch.tensor(torchs(batch), requires_grad=True)
            reference.zero_grad()
            expected = reference(theirs)
            expected.backward(torch.tensor(torchs(dy)))
            found, pullback, new = jax.vjp(
                lambda params, x, stats=stats: forwards(params, stats, x), params, jnp.asarray(batch),
                has_aux=True,
            )  # fmt: skip
            stats = new["batch_stats"]
            dparams, dx = pullback(jnp.asarray(dy))
            np.testing.assert_allclose(found, back(expected), rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(dx, back(theirs.grad), rtol=1e-7, atol=1e-9)
            np.testing.assert_allclose(dparams["scale"], reference.weight.grad, rtol=1e-9, atol=1e-9)
            np.testing.assert_allclose(dparams["bias"], reference.bias.grad, rtol=1e-9, atol=1e-9)
            # Kept in float32 at first; PyTorch's variance is the unbiased one.
            np.testing.assert_allclose(stats["mean"], reference.running_mean, rtol=1e-6)
            np.testing.assert_allclose(stats["var"], reference.running_var, rtol=1e-6)

        reference.eval()
        found = layer.apply({"params": params, "batch_stats": stats}, jnp.asarray(x), False)
        np.testing.assert_allclose(found, back(reference(torch.tensor(torchs(x)))), rtol=1e-6, atol=1e-6)


def test_evaluation_changes_no_statistics():
    layer, x = BatchNorm(), jnp.arange(12.0).reshape(4, 3)
    variables = layer.init(jax.random.key(0), x, True)
    assert set(variables) == {"params", "batch_stats"}
    np.testing.assert_array_equal(variables["batch_stats"]["mean"], 0)  # not even when it is made
    _, new = layer.apply(variables, x, False, mutable=["batch_stats"])
    np.testing.assert_array_equal(new["batch_stats"]["mean"], 0)
    np.testing.assert_array_equal(new["batch_stats"]["var"], 1)


def test_half_precision_is_normalised_in_float32():
    """A mean of 1000 and a deviation of 1 would be lost in bfloat16's eight bits."""
    x = 1000 + 4 * jax.random.normal(jax.random.key(0), (512, 4))
    layer = BatchNorm()
    variables = layer.init(jax.random.key(0), x, True)
    half, new = layer.apply(variables, x.astype(jnp.bfloat16), True, mutable=["batch_stats"])
    assert half.dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves((variables, new))} == {jnp.dtype("float32")}
    np.testing.assert_allclose(half.astype(jnp.float32).mean(0), 0, atol=0.02)
    np.testing.assert_allclose(half.astype(jnp.float32).std(0), 1, atol=0.02)


def test_a_constant_channel_is_zero_and_has_finite_gradients():
    layer = BatchNorm()
    x = jnp.full((4, 2), 1e4)
    variables = layer.init(jax.random.key(0), x, True)

    def total(x):
        return (layer.apply(variables, x, True, mutable=["batch_stats"])[0] ** 2).sum()

    value, gradient = jax.value_and_grad(total)(x)
    assert float(value) == 0
    assert np.isfinite(gradient).all()
