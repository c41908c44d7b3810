"""torchvision's ResNet and VGG, and SE-ResNet's counterpart, give the same numbers in float64."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch.nn import functional

from ferjax import models
from ferjax.interop import torch_names_resnet, torch_names_vgg
from ferjax.interop.torch_networks import counterpart
from ferjax.interop.torch_weights import export_state_dict, import_state_dict
from ferjax.losses import cross_entropy

NAMES = sorted({**torch_names_resnet.NETWORKS, **torch_names_vgg.NETWORKS})
# One of each kind of block; the deeper ones have more of the same.
TRAINED = ("resnet18", "se_resnet50", "vgg16_bn")
# 64 pixels leave VGG 2×2, which its pooling spreads over 7×7.
BATCH, SIZE = 4, 64


def options_of(name):
    return {"hidden": 24, "dropout": 0.0} if name.startswith("vgg") else {}


def torch_net(name):
    """Float64, with nothing left at the 0 or 1 that normalisation and biases start from."""
    torch.manual_seed(0)
    net = counterpart(name, 7, **options_of(name))
    with torch.no_grad():
        for layer in net.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.running_var.uniform_(0.7, 1.3)
                layer.running_mean.uniform_(-0.2, 0.2)
                layer.weight.uniform_(0.7, 1.3)
            if getattr(layer, "bias", None) is not None:
                layer.bias.uniform_(-0.2, 0.2)
    return net.double()


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(0)
    return rng.normal(size=(BATCH, SIZE, SIZE, 3)), rng.integers(0, 7, BATCH)


def nchw(images):
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def apart(ours, theirs):
    """Largest difference relative to the largest value."""
    theirs = np.asarray(theirs)
    assert ours.shape == theirs.shape
    return np.abs(np.asarray(ours) - theirs).max() / np.abs(theirs).max()


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name not in TRAINED])
def test_logits(name, batch):
    net = torch_net(name).eval()
    variables = import_state_dict(name, net.state_dict(), **options_of(name))
    with torch.inference_mode():
        expected = net(nchw(batch[0])).numpy()
    with jax.enable_x64(True):
        model = models.create(name, **options_of(name))
        logits = jax.jit(partial(model.apply, train=False))(variables, jnp.asarray(batch[0]))
        assert logits.dtype == jnp.float64
        assert apart(logits, expected) < 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINED)
def test_logits_statistics_and_gradients(name, batch):
    net = torch_net(name)
    variables = import_state_dict(name, net.state_dict(), **options_of(name))
    with torch.inference_mode():
        evaluated = net.eval()(nchw(batch[0])).numpy()
    theirs = net.train()(nchw(batch[0]))
    functional.cross_entropy(theirs, torch.from_numpy(batch[1])).backward()
    with jax.enable_x64(True):
        model = models.create(name, **options_of(name))

        @jax.jit
        def run(params, images, labels):
            def loss_of(params):
                logits, updates = model.apply(
                    {**variables, "params": params}, images, train=True, mutable=["batch_stats"]
                )
                loss, weight = cross_entropy(logits, labels)
                return loss.sum() / weight.sum(), (logits, updates)

            evaluated = model.apply(variables, images, train=False)
            return jax.grad(loss_of, has_aux=True)(params), evaluated

        found, logits = run(variables["params"], *map(jnp.asarray, batch))
        assert apart(logits, evaluated) < 1e-9
        gradients, (logits, updates) = found
        assert apart(logits, theirs.detach()) < 1e-9
        # Gradients have the tree of the weights, so the table names them too.
        named = export_state_dict(name, {"params": gradients, **updates}, **options_of(name))
    expected = {key: value.grad for key, value in net.named_parameters()}
    expected |= {key: value for key, value in net.named_buffers() if "running" in key}
    found = {key: apart(named[key], value) for key, value in expected.items()}
    # Normalisation takes a preceding bias away again, so its gradient is nothing but rounding.
    if name == "vgg16_bn":
        convolutions = {key for key, layer in net.named_modules() if isinstance(layer, torch.nn.Conv2d)}
        found = {key: gap for key, gap in found.items() if key.removesuffix(".bias") not in convolutions}
    assert len(found) > 20
    worst = max(found, key=found.get)
    assert found[worst] < 1e-8, (worst, found[worst])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["se_resnet18", "vgg16_bn"])
def test_from_torch_and_back_is_exact(name):
    net = torch_net(name).float()
    exported = export_state_dict(
        name, import_state_dict(name, net.state_dict(), **options_of(name)), **options_of(name)
    )
    net.load_state_dict({key: torch.from_numpy(value) for key, value in exported.items()}, strict=True)
    state = torch_net(name).float().state_dict()
    assert list(exported) == list(state)
    for key, value in state.items():
        np.testing.assert_array_equal(exported[key], value.numpy(), err_msg=key)
    if name == "se_resnet18":
        assert {"layer1.0.se.fc.0.weight", "layer4.1.se.fc.2.weight"} <= set(exported)
