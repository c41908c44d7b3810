import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from ferjax.layers.conv import Conv
from ferjax.layers.init import uniform_fan_in
from ferjax.layers.linear import Linear


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4)])
def test_linear_is_pytorchs(use_bias, shape):
    layer, x = Linear(5, use_bias=use_bias), jax.random.normal(jax.random.key(1), shape)
    params = layer.init(jax.random.key(0), x)["params"]
    reference = torch.nn.Linear(4, 5, bias=use_bias)
    with torch.no_grad():
        reference.weight.copy_(torch.tensor(np.asarray(params["kernel"]).T))
        if use_bias:
            reference.bias.copy_(torch.tensor(np.asarray(params["bias"])))
        expected = reference(torch.tensor(np.asarray(x))).numpy()
    np.testing.assert_allclose(layer.apply({"params": params}, x), expected, rtol=1e-5, atol=1e-6)


def test_the_type_of_the_computation():
    layer = Linear(5, dtype=jnp.bfloat16)
    y, variables = jax.eval_shape(layer.init_with_output, jax.random.key(0), jnp.zeros((1, 8)))
    assert y.dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}


@pytest.mark.parametrize(
    ("layer", "image", "reference"),
    [
        (Linear(400), (1, 300), torch.nn.Linear(300, 400)),
        (Conv(40, 5), (1, 8, 8, 12), torch.nn.Conv2d(12, 40, 5)),
    ],
)
def test_first_weights_are_drawn_as_pytorchs(layer, image, reference):
    """The same uniform distribution: bounds to a percent, mean and deviation to three."""
    params = layer.init(jax.random.key(0), jnp.zeros(image))["params"]
    for ours, theirs in ((params["kernel"], reference.weight), (params["bias"], reference.bias)):
        ours, theirs = np.asarray(ours), theirs.detach().numpy()
        assert ours.size == theirs.size
        bound = float(1 / np.sqrt(reference.weight[0].numel()))
        assert np.abs(ours).max() <= bound
        assert np.abs(theirs).max() <= bound * (1 + 1e-6)
        rare = 3 / np.sqrt(ours.size)  # three standard errors
        assert np.abs(ours).max() > bound * (1 - rare)
        assert abs(ours.mean()) < bound * rare
        assert ours.std() == pytest.approx(bound / np.sqrt(3), rel=rare)


def test_other_keys_draw_other_weights():
    init = uniform_fan_in(4)
    one, other = init(jax.random.key(0), (50,)), init(jax.random.key(1), (50,))
    assert one.dtype == jnp.float32
    assert not np.array_equal(one, other)
