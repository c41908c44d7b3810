import jax
import jax.numpy as jnp
import numpy as np
import torch

from ferjax.interop.torch_models import resemotenet
from ferjax.layers.squeeze_excitation import SqueezeExcitation


def test_outputs_and_gradients_are_pytorchs():
    generator = np.random.default_rng(0)
    u, dy = (generator.normal(size=(3, 4, 5, 32)) for _ in range(2))
    reference = resemotenet.SqueezeExcitation(32, reduction=8).double()
    weights = [layer.weight for layer in (reference.fc[0], reference.fc[2])]
    theirs = torch.tensor(u.transpose(0, 3, 1, 2), requires_grad=True)
    expected = reference(theirs)
    expected.backward(torch.tensor(dy.transpose(0, 3, 1, 2)))

    with jax.enable_x64(True):
        layer = SqueezeExcitation(reduction=8)
        params = {
            name: {"kernel": jnp.asarray(w.detach().numpy().T)}
            for name, w in zip(("fc1", "fc2"), weights, strict=True)
        }
        found, back = jax.vjp(lambda params, u: layer.apply({"params": params}, u), params, jnp.asarray(u))
        dparams, du = back(jnp.asarray(dy))
    np.testing.assert_allclose(found, expected.detach().numpy().transpose(0, 2, 3, 1), rtol=1e-9)
    np.testing.assert_allclose(du, theirs.grad.numpy().transpose(0, 2, 3, 1), rtol=1e-8, atol=1e-10)
    for name, w in zip(("fc1", "fc2"), weights, strict=True):
        np.testing.assert_allclose(dparams[name]["kernel"], w.grad.numpy().T, rtol=1e-8, atol=1e-10)


def test_the_channels_weights_are_sown():
    layer, u = SqueezeExcitation(), jax.random.normal(jax.random.key(0), (2, 3, 3, 32))
    variables = layer.init(jax.random.key(1), u)
    y, updates = layer.apply({"params": variables["params"]}, u, mutable=["intermediates"])
    (weights,) = updates["intermediates"]["weights"]
    assert weights.shape == (2, 32)
    assert ((weights > 0) & (weights < 1)).all()
    np.testing.assert_allclose(y, u * weights[:, None, None, :], rtol=1e-6)
    assert variables["params"]["fc1"]["kernel"].shape == (32, 2)
    assert "bias" not in variables["params"]["fc1"]
