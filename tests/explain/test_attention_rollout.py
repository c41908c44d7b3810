"""Attention rollout against a product of matrices, one image after another."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from slow_network import make, slow_enlarge

from ferjax import models
from ferjax.errors import UserError
from ferjax.explain.attention_rollout import attention_rollout

TINY = {"width": 16, "depth": 2, "heads": 2, "registers": 1}


@pytest.fixture(scope="module", params=["mean", "token"])
def net(request):
    model = models.create("vit_tiny48", pool=request.param, **TINY)
    images = jnp.asarray(np.random.default_rng(0).normal(size=(2, 12, 18, 3)), jnp.float32)
    variables = jax.jit(model.init)(jax.random.key(0), images)
    wide = jax.tree.map(lambda leaf: leaf * (20 if leaf.ndim == 2 else 1), variables)  # uneven attention
    return model, wide, images


def test_it_is_the_product_of_the_layers_attention(net):
    model, variables, images = net
    found = jax.jit(partial(attention_rollout, model))(variables, images, jnp.zeros(2, jnp.int32))
    _, state = model.apply(variables, images, mutable=["intermediates"])
    for row in range(2):
        product = np.eye(1 + 1 + 6)
        for block in range(2):
            weights = np.asarray(state["intermediates"][f"blocks_{block}"]["attn"]["weights"][0][row])
            product = (weights.mean(0) + np.eye(8)) / 2 @ product
        read = product[0] if model.pool == "token" else product[2:].mean(0)
        assert read[2:].std() > 1e-3
        expected = slow_enlarge(read[2:].reshape(2, 3), 12, 18)
        np.testing.assert_allclose(found[row], expected, rtol=1e-4, atol=1e-6)


def test_networks_without_attention_are_refused():
    model, variables, images, classes = make()
    with pytest.raises(UserError, match=r"SlowNet has no self-attention .* take grad_cam or occlusion"):
        attention_rollout(model, variables, jnp.asarray(images), jnp.asarray(classes))
