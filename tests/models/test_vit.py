"""Vision transformers: counts, refusals, and the numbers of timm's and torchvision's."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from timm_networks import logits_and_gradient, timm_network

from ferjax import models
from ferjax.errors import UserError
from ferjax.interop.torch_weights import import_state_dict
from ferjax.interop.torchvision import torchvision_models
from ferjax.layers.positions import sin_cos

TINY = {"width": 32, "depth": 2, "heads": 2}
THEIRS = {"embed_dim": 32, "depth": 2, "num_heads": 2, "num_classes": 7, "mlp_ratio": 4, "patch_size": 8}
# Options of ferjax's network, and timm's for the same.
VARIANTS = {
    "mae": ({}, {"global_pool": "avg"}),
    "token": ({"pool": "token"}, {}),
    "dinov2": (
        {"pool": "token", "registers": 3, "layer_scale": 1e-5},
        {"reg_tokens": 3, "init_values": 1e-5, "no_embed_class": True},
    ),
    "clip": (
        {"pool": "token", "pre_norm": True, "activation": "quick_gelu", "epsilon": 1e-5},
        {"pre_norm": True, "act_layer": "quick_gelu", "norm_layer": partial(torch.nn.LayerNorm, eps=1e-5)},
    ),
}


def ours(variables, images, **options):
    """Logits and the gradient of their squares' sum by the images."""
    model = models.create("vit_s16", **TINY, **{"patch": 8, **options})

    def loss(images):
        logits = model.apply(variables, images)
        return jnp.square(logits).sum(), logits

    gradient, logits = jax.jit(jax.grad(loss, has_aux=True))(jnp.asarray(images))
    return logits, gradient


def noise(size=24):
    return np.random.default_rng(0).normal(size=(3, size, size, 3))


@pytest.mark.parametrize("name", VARIANTS)
def test_logits_and_gradients_are_timms(name):
    options, theirs = VARIANTS[name]
    net = timm_network("vision_transformer:VisionTransformer", img_size=24, **THEIRS, **theirs)
    expected, slope = logits_and_gradient(net, noise())
    with jax.enable_x64(True):
        variables = import_state_dict("vit_s16", net.state_dict(), patch=8, image_size=24, **TINY, **options)
        logits, gradient = ours(variables, noise(), **options)
        np.testing.assert_allclose(logits, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())
        np.testing.assert_allclose(gradient, slope, rtol=1e-8, atol=1e-8 * np.abs(slope).max())


def test_logits_are_torchvisions():
    net = torchvision_models().VisionTransformer(
        24, 8, num_layers=2, num_heads=2, hidden_dim=32, mlp_dim=128, num_classes=7
    )
    for values in net.parameters():
        values.data += 0.01 * torch.rand(values.shape)
    net = net.double().eval()
    expected, _ = logits_and_gradient(net, noise())
    with jax.enable_x64(True):
        options = {"pool": "token", "patch": 8, **TINY}
        variables = import_state_dict("vit_s16", net.state_dict(), image_size=24, **options)
        logits, _ = ours(variables, noise(), pool="token")
    np.testing.assert_allclose(logits, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("name", "options", "count"),
    [
        ("vit_s16", {"num_classes": 8}, 21_668_744),
        ("vit_b16", {"num_classes": 8}, 85_804_808),
        # timm's vit_small_patch14_reg4_dinov2 with seven classes, and one position more, the class token's.
        ("vit_s16", {"patch": 14, "registers": 4, "layer_scale": 1e-5, "pool": "token"}, 22_060_039 + 384),
        ("vit_b16", {"pre_norm": True, "pool": "token"}, 85_804_807),
    ],
)
def test_parameters_are_those_of_the_authors(name, options, count):
    size = 518 if options.get("patch") == 14 else 224
    model = models.create(name, **options)
    variables = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros((1, size, size, 3))))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == count


def test_an_image_that_the_patches_do_not_divide():
    model = models.create("vit_s16")
    with pytest.raises(UserError, match="which do not divide 50×50: choose an image size"):
        jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 50, 50, 3)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heads": 5}, r"model\.heads 5 does not divide model\.width 384"),
        ({"depth": 49}, r"model\.depth is 49; it must be at most 48"),
        ({"registers": -1}, r"model\.registers is -1; it must be at least 0"),
        (
            {"initial": "mae", "width": 30, "heads": 2},
            r"model\.initial=mae needs a model\.width that is a multiple of 4",
        ),
    ],
)
def test_numbers_that_do_not_fit(options, message):
    with pytest.raises(UserError, match=message):
        models.create("vit_s16", **options)


def test_it_begins_as_mae_with_positions_of_waves_and_signals_of_one_size():
    model = models.create("vit_s16", patch=8, initial="mae", **{**TINY, "width": 64})
    params = model.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)))["params"]
    np.testing.assert_array_equal(params["pos_embed"], sin_cos(4, 4, 64))
    bound = np.sqrt(6 / (8 * 8 * 3 + 64))  # the patches' convolution is a linear layer
    largest = np.abs(params["patch_embed"]["proj"]["kernel"]).max()
    assert 0.98 * bound < largest <= bound
    hidden = np.abs(params["blocks_0"]["mlp"]["fc1"]["kernel"]).max()
    assert 0.98 * np.sqrt(6 / 320) < hidden <= np.sqrt(6 / 320)


def test_a_choice_is_one_of_two():
    with pytest.raises(UserError, match=r"model.pool takes 'mean' or 'token', not 'max'"):
        models.create("vit_s16", pool="max")
