"""EfficientNets: the published counts, and timm's numbers at a small width."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from timm_networks import logits_and_gradient, timm_network

from ferjax import models
from ferjax.errors import UserError
from ferjax.interop.torch_weights import import_state_dict
from ferjax.models.efficientnet import stages

TINY = {"width": 0.25, "depth": 0.4}


@pytest.mark.parametrize(
    ("name", "classes", "count"),
    [
        ("efficientnet_b0", 8, 4_017_796),
        ("efficientnet_b0", 1000, 5_288_548),
        ("efficientnet_b2", 8, 7_712_266),
    ],
)
def test_parameters_are_those_of_the_authors(name, classes, count):
    model = models.create(name, num_classes=classes)
    variables = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, 64, 64, 3))))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == count


@pytest.mark.parametrize("options", [{"width": 0.0}, {"depth": 1e6}])
def test_factors_out_of_range_are_refused(options):
    model = models.create("efficientnet_b0", **options)
    with pytest.raises(UserError, match=r"must be above 0 and at most 8"):
        jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))


def test_b2_is_b0_scaled():
    assert [(stage.channels, stage.blocks) for stage in stages(1.1, 1.2)] == [
        (16, 2), (24, 3), (48, 3), (88, 4), (120, 4), (208, 5), (352, 2),
    ]  # fmt: skip


@pytest.mark.parametrize("size", [48, 45])
def test_logits_and_gradients_are_timms(size):
    """Of an odd size "same" padding is not the same on both sides."""
    net = timm_network(
        "efficientnet:_gen_efficientnet", variant="tf_efficientnet_b0", channel_multiplier=0.25,
        depth_multiplier=0.4, num_classes=7, pad_type="same", bn_eps=1e-3,
    )  # fmt: skip
    images = np.random.default_rng(0).normal(size=(3, size, size, 3))
    expected, slope = logits_and_gradient(net, images)
    with jax.enable_x64(True):
        variables = import_state_dict("efficientnet_b0", net.state_dict(), **TINY)
        model = models.create("efficientnet_b0", **TINY)

        def loss(images):
            logits = model.apply(variables, images)
            return jnp.square(logits).sum(), logits

        gradient, logits = jax.jit(jax.grad(loss, has_aux=True))(jnp.asarray(images))
    np.testing.assert_allclose(logits, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())
    np.testing.assert_allclose(gradient, slope, rtol=1e-8, atol=1e-8 * np.abs(slope).max())
