"""SDL, the attentional CNN and the plain CNN: sizes, counts, and the numbers of their counterparts."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from configs.sdl import get_config as sdl_config
from ferjax import models
from ferjax.config.text_fields import parse_l2
from ferjax.errors import UserError
from ferjax.interop.torch_networks import counterpart
from ferjax.interop.torch_weights import export_state_dict, import_state_dict
from ferjax.training.losses import l2_penalty

NAMES = ("sdl", "attentional_cnn", "fer_cnn")


def conv(size, inputs, outputs):
    return size * size * inputs * outputs + outputs


def linear(inputs, outputs):
    return inputs * outputs + outputs


def localisation(channels, sizes, features, pixels):
    """Convolutions, then pixels → 32 → 6."""
    counts = [conv(s, c, f) for s, c, f in zip(sizes, (channels, *features), features, strict=False)]
    return sum(counts) + linear(pixels, 32) + linear(32, 6)


# Counted layer by layer from docs/networks.md, at 48×48 and with 7 classes.
COUNTS = {
    "sdl": conv(3, 1, 32) + conv(3, 32, 64) + conv(3, 64, 128) + conv(3, 128, 256)
    + localisation(1, (3, 3, 3), (8, 16, 32), 32 * 6 * 6) + conv(3, 1, 16)
    + localisation(16, (3, 3, 3), (8, 16, 32), 32 * 3 * 3) + conv(3, 16, 32)
    + linear(256 * 3 * 3 + 32 * 12 * 12, 256) + linear(256, 7),
    "attentional_cnn": localisation(1, (7, 5), (8, 10), 640) + conv(3, 1, 10) + 3 * conv(3, 10, 10) + 2 * 10
    + linear(810, 50) + linear(50, 7),
    "fer_cnn": conv(5, 3, 32) + conv(5, 32, 64) + conv(5, 64, 128) + linear(4608, 256) + linear(256, 7),
}  # fmt: skip


def variables_of(name, size=48, **options):
    model = models.create(name, **options)
    return jax.eval_shape(partial(model.init, train=False), jax.random.key(0), jnp.zeros((1, size, size, 3)))


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_counted_layer_by_layer(name):
    params = variables_of(name)["params"]
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == COUNTS[name]
    theirs = sum(weight.numel() for weight in counterpart(name, 7).parameters())
    assert theirs == COUNTS[name]


def test_the_weights_of_the_public_deep_emotion_fit():
    """Names and shapes of https://github.com/omarsayed7/Deep-Emotion, written down from its layers."""
    shapes = {
        "conv1": (10, 1, 3, 3), "conv2": (10, 10, 3, 3), "conv3": (10, 10, 3, 3), "conv4": (10, 10, 3, 3),
        "norm": (10,), "fc1": (50, 810), "fc2": (7, 50), "localization.0": (8, 1, 7, 7),
        "localization.3": (10, 8, 5, 5), "fc_loc.0": (32, 640), "fc_loc.2": (6, 32),
    }  # fmt: skip
    state = {f"{name}.weight": np.zeros(shape, np.float32) for name, shape in shapes.items()}
    state |= {f"{name}.bias": np.zeros(shape[0], np.float32) for name, shape in shapes.items()}
    state |= {f"norm.running_{what}": np.ones(10, np.float32) for what in ("mean", "var")}
    assert import_state_dict("attentional_cnn", state).keys() == {"params", "batch_stats"}


def run_both(images, name, net):
    """Logits, and a loss's gradients by PyTorch's names, of both; training without dropout."""
    for module in net.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    logits = net(torch.tensor(images.transpose(0, 3, 1, 2)))
    logits.square().sum().backward()
    theirs = {key: weight.grad.numpy() for key, weight in net.named_parameters()}

    variables = import_state_dict(name, net.state_dict())
    options = {} if name == "sdl" else {"dropout": 0.0}
    model = models.create(name, dtype=jnp.float64, **options)

    def loss(params):
        logits, stats = model.apply(
            {**variables, "params": params}, images, train=True, mutable=["batch_stats"]
        )
        return jnp.square(logits).sum(), (logits, stats.get("batch_stats", {}))

    gradients, (ours, stats) = jax.jit(jax.grad(loss, has_aux=True))(variables["params"])
    named = export_state_dict(name, {"params": gradients, "batch_stats": stats})
    return (ours, named), (logits.detach().numpy(), theirs)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_logits_and_gradients_are_pytorchs(name):
    torch.manual_seed(0)
    net = counterpart(name, 7).double().train()
    images = np.random.default_rng(0).normal(size=(2, 48, 48, 3))
    with jax.enable_x64(True):
        (logits, gradients), (their_logits, their_gradients) = run_both(images, name, net)
    assert logits.dtype == np.float64
    np.testing.assert_allclose(logits, their_logits, rtol=1e-9, atol=1e-11)
    assert np.abs(their_gradients[next(key for key in their_gradients if "conv1" in key)]).max() > 0
    for key, theirs in their_gradients.items():
        scale = np.abs(theirs).max()
        if name == "attentional_cnn" and key == "conv4.bias":
            scale = np.abs(their_gradients["conv4.weight"]).max()  # normalisation cancels it
        assert np.abs(gradients[key] - theirs).max() <= 1e-8 * scale, key


@pytest.mark.parametrize(("name", "smallest"), [("sdl", 16), ("attentional_cnn", 18), ("fer_cnn", 8)])
def test_the_smallest_image(name, smallest):
    variables_of(name, smallest)
    with pytest.raises(UserError, match=rf"{name} takes images .* at least {smallest}×{smallest}, not"):
        variables_of(name, smallest - 1)
    with pytest.raises(UserError, match="not \\[1, 48, 48, 1\\]"):
        jax.eval_shape(models.create(name).init, jax.random.key(0), jnp.zeros((1, 48, 48, 1)))


@pytest.mark.slow
def test_sdl_starts_as_the_paper_says():
    """N(0, 0.05) weights, identity transformations, and sown views."""
    model = models.create("sdl")
    images = np.random.default_rng(0).normal(size=(2, 16, 16, 3)).astype(np.float32)

    @jax.jit
    def start(images):
        variables = model.init(jax.random.key(1), images)
        return variables["params"], model.apply(variables, images, mutable=["intermediates"])[1]

    params, updates = start(images)
    for layer in (
        params["conv4"],
        params["fc1"],
        params["sdl2"]["conv"],
        params["sdl1"]["transformer"]["fc1"],
    ):
        assert abs(float(layer["kernel"].std()) - 0.05) < 0.002
        assert not layer["bias"].any()
    for number, side in ((1, 16), (2, 8)):
        transformer = updates["intermediates"][f"sdl{number}"]["transformer"]
        assert transformer["view"][0].shape == (2, side, side, (1, 16)[number - 1])
        np.testing.assert_array_equal(transformer["theta"][0], [[[1, 0, 0], [0, 1, 0]]] * 2)


def test_the_penalty_of_sdl_is_on_its_last_two_layers_only():
    """Localisation networks have an fc1 and an fc2 as well."""
    params = jax.tree.map(lambda leaf: np.ones(leaf.shape, np.float32), variables_of("sdl")["params"])
    sizes = [params[layer]["kernel"].size for layer in ("fc1", "fc2")]
    penalty = l2_penalty(params, parse_l2(sdl_config("fer2013").loss.l2))
    np.testing.assert_allclose(penalty, 0.5 * (0.001 * sizes[0] + 0.01 * sizes[1]), rtol=1e-5)
