"""ConvNeXt and EmoNeXt: counts, torchvision's and timm's numbers, the regulariser."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from timm_networks import logits_and_gradient, timm_network

from ferjax import models
from ferjax.interop.torch_weights import import_state_dict
from ferjax.interop.torchvision import torchvision_models
from ferjax.models.convnext import BatchAttention
from ferjax.training.layer_decay import layer_rates
from ferjax.training.stages import parameter_shapes


@pytest.mark.parametrize(("name", "count"), [("convnext_tiny", 27_825_511), ("emonext_tiny", 30_564_331)])
def test_parameters_are_those_of_the_authors(name, count):
    model = models.create(name)
    init = partial(model.init, train=False)
    variables = jax.eval_shape(init, jax.random.key(0), jnp.zeros((1, 224, 224, 3)))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == count


def torchvisions():
    """torchvision's ConvNeXt, 8 channels wide."""
    convnext = torchvision_models().convnext
    widths = [8, 16, 32, 64]
    settings = [
        convnext.CNBlockConfig(width, wider, blocks)
        for width, wider, blocks in zip(widths, [*widths[1:], None], (3, 3, 9, 3), strict=True)
    ]
    torch.manual_seed(0)
    net = convnext.ConvNeXt(settings, num_classes=7)
    for values in net.parameters():
        values.data += 0.2 * torch.rand(values.shape)
    return net.double().eval()


def timms():
    return timm_network("convnext:ConvNeXt", depths=(3, 3, 9, 3), dims=(8, 16, 32, 64), num_classes=7)


@pytest.mark.slow
@pytest.mark.parametrize("theirs", [torchvisions, pytest.param(timms, marks=pytest.mark.relative)])
def test_logits_and_gradients_are_the_others(theirs):
    net = theirs()
    images = np.random.default_rng(0).normal(size=(2, 48, 48, 3))
    expected, slope = logits_and_gradient(net, images)
    with jax.enable_x64(True):
        variables = import_state_dict("convnext_tiny", net.state_dict(), width=8)
        model = models.create("convnext_tiny", width=8)

        def loss(images):
            logits = model.apply(variables, images)
            return jnp.square(logits).sum(), logits

        gradient, logits = jax.jit(jax.grad(loss, has_aux=True))(jnp.asarray(images))
    np.testing.assert_allclose(logits, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())
    np.testing.assert_allclose(gradient, slope, rtol=1e-8, atol=1e-8 * np.abs(slope).max())


def test_the_regulariser_is_the_variance_of_the_attention_between_a_batch():
    features = np.random.default_rng(0).normal(size=(4, 16))
    with jax.enable_x64(True):
        found, variables = BatchAttention().init_with_output(jax.random.key(0), jnp.asarray(features))
        params = jax.tree.map(np.asarray, variables["params"])
    x = (features - features.mean(1, keepdims=True)) / np.sqrt(features.var(1, keepdims=True) + 1e-5)
    query, key = (x @ params[name]["kernel"] + params[name]["bias"] for name in ("query", "key"))
    weights = np.exp(query @ key.T / 2)
    weights /= weights.sum(1, keepdims=True)
    np.testing.assert_allclose(found, np.square(weights - 0.25).mean(), rtol=1e-9)
    assert "value" in params  # of the authors' files


def test_layers_for_decay():
    model = models.create("emonext_tiny", width=8)
    found = layer_rates(model, parameter_shapes(model, (32, 32, 3)), 0.5)
    assert found["stn/fc1/kernel"] == found["downsample_layers_0_conv/kernel"] == 0.5**7
    assert found["stages_0_2/dwconv/kernel"] == 0.5**6
    assert found["downsample_layers_2_se/fc1/kernel"] == found["stages_2_2/gamma"] == 0.5**4
    assert found["stages_2_8/gamma"] == 0.5**2
    assert found["downsample_layers_3_conv/kernel"] == found["stages_3_0/gamma"] == 0.5
    assert found["head/kernel"] == found["norm/scale"] == 1
