"""Layers by name, what attention layers did, and maps laid back onto images."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from slow_network import SIZE, make

from ferjax import models
from ferjax.errors import UserError
from ferjax.explain import layers, module_views
from ferjax.explain.gallery_tiles import frames_of
from ferjax.explain.methods import METHODS
from ferjax.explain.projection import onto_images
from ferjax.layers.conv import Conv
from ferjax.layers.linear import Linear
from ferjax.layers.regions import REGIONS, RegionAttention, crop_regions, region_boxes
from ferjax.layers.spatial_transformer import SpatialTransformer, affine_sample
from ferjax.layers.squeeze_excitation import SqueezeExcitation
from ferjax.models import class_maps
from ferjax.registry import NETWORKS

# Image sides → what is looked at by default; the grids are 8×8, 7×7, 6×6 and 4×4.
DEFAULTS = [
    ("resemotenet", 64, "se"),
    ("se_resnet18", 224, "layer4_1"),
    ("resnet18", 48, "layer2_1"),
    ("resemotenet", 32, "se"),
    ("vgg16", 48, "conv4_3"),
    ("ran", 64, "backbone/layer2_1"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size", "layer"), DEFAULTS)
def test_the_default_layer_is_the_last_fine_one(name, size, layer):
    assert layers.default_layer(models.create(name), (size, size)) == layer


@pytest.mark.slow
def test_layers_are_named_and_shaped():
    model, *_ = make()
    assert layers.spatial_layers(model, (SIZE, SIZE)) == {
        "first/conv": (1, 8, 8, 4),
        "first": (1, 4, 4, 4),
        "second/conv": (1, 4, 4, 5),
        "second": (1, 2, 2, 5),
    }


def test_an_unknown_layer_names_the_nearest():
    model = models.create("resemotenet")
    with pytest.raises(UserError, match=r"no spatial layer 'res_blok1'; the nearest are res_block1"):
        layers.check_layer(model, (64, 64), "res_blok1")
    with pytest.raises(UserError, match=r"the nearest are res_block3, "):
        layers.check_layer(model, (64, 64), "§")
    assert layers.check_layer(model, (64, 64), "") == "se"


def test_what_a_layer_gives_gives_the_logits():
    model, variables, images, _ = make()
    images = jnp.asarray(images)
    logits = model.apply(variables, images)
    for layer in ("first/conv", "first", "second"):
        given = layers.activation(model, variables, images, layer)
        # Other images: nothing goes round these layers.
        again = layers.logits_from(model, variables, jnp.zeros_like(images), layer, given)
        np.testing.assert_allclose(again, logits, rtol=1e-5, atol=1e-6)
        other = layers.logits_from(model, variables, images, layer, given + 1)
        assert np.abs(other - logits).max() > 1e-3


def traced(name, method, dtype=jnp.float32):
    """What a method would give for two images; nothing is computed."""
    smallest = NETWORKS.find(name).facts.smallest
    size = -(-48 // smallest) * smallest  # some networks take only multiples of it
    model = models.create(name, dtype=dtype)
    images = jax.ShapeDtypeStruct((2, size, size, 3), jnp.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), images)
    classes = jax.ShapeDtypeStruct((2,), jnp.int32)
    heat = jax.eval_shape(partial(METHODS[method], model), variables, images, classes)
    assert (heat.shape, heat.dtype) == ((2, size, size), jnp.float32)


@pytest.mark.slow
@pytest.mark.parametrize("name", models.names())
def test_every_network_is_explained(name, few_blocks):
    traced(name, "grad_cam")
    if name in class_maps.FITTING:
        traced(name, "cam")
    else:
        with pytest.raises(UserError, match="take grad_cam"):
            traced(name, "cam")


@pytest.mark.slow
@pytest.mark.parametrize("method", [name for name in METHODS if name not in ("cam", "attention_rollout")])
def test_networks_in_bfloat16_are_explained_in_float32(method):
    traced("resemotenet", method, jnp.bfloat16)


class Attentive(nn.Module):
    """Every kind of attention: two spatial transformers, an SE block on regions, and attention over these."""

    @nn.compact
    def __call__(self, images, train=False):
        x = SpatialTransformer((4,), (3,), name="first")(images)
        x = SpatialTransformer((4,), (3,), name="second")(x)
        views = crop_regions(x)
        x = Conv(16, 3, padding=1, name="conv")(views.reshape(-1, *images.shape[1:]))
        x = SqueezeExcitation(reduction=4, name="se")(x)
        x = RegionAttention(name="attention")(x.mean((1, 2)).reshape(len(images), len(REGIONS), -1))
        return Linear(3, name="fc")(x)


@pytest.fixture(scope="module")
def attentive():
    model = Attentive()
    images = np.random.default_rng(0).uniform(size=(2, 16, 16, 3)).astype(np.float32)
    variables = jax.jit(model.init)(jax.random.key(0), images)
    # A transformer starts with the identity: move it.
    moved = jax.tree.map(lambda leaf: leaf + 0.02, variables)
    return model, moved, images


@pytest.mark.slow
def test_channel_weights_and_maps_of_se_blocks(attentive):
    model, variables, images = attentive
    found = jax.jit(partial(module_views.squeeze_excitation, model))(variables, images)
    assert list(found) == ["se"]
    # The block alone, on what it reads of the first view, the whole image.
    read = jax.jit(partial(layers.activation, model, layer="conv"))(variables, images)
    read = read.reshape(2, len(REGIONS), 16, 16, 16)[:, 0]
    params = {"params": variables["params"]["se"]}
    block = jax.jit(partial(SqueezeExcitation(reduction=4).apply, mutable=["intermediates"]))
    given, sown = block(params, read)
    np.testing.assert_allclose(found["se"]["weights"], sown["intermediates"]["weights"][0], atol=1e-6)
    np.testing.assert_allclose(found["se"]["before"], np.abs(read).mean(-1), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found["se"]["after"], np.abs(given).mean(-1), rtol=1e-4, atol=1e-6)
    assert not np.allclose(found["se"]["before"], found["se"]["after"])


def test_blocks_are_listed_in_the_order_of_the_network():
    blocks = layers.layers_of(models.create("se_resnet18"), (32, 32), SqueezeExcitation)
    assert list(blocks) == [f"layer{stage}_{block}/se" for stage in (1, 2, 3, 4) for block in (0, 1)]


@pytest.mark.slow
def test_views_of_spatial_transformers(attentive):
    model, variables, images = attentive
    found = jax.jit(partial(module_views.transformer_views, model))(variables, images)
    assert list(found) == ["first", "second"]
    theta = found["first"]["theta"]
    assert np.abs(theta - np.eye(2, 3)).max() > 0.01
    seen = affine_sample(jnp.asarray(images), theta, (16, 16))
    np.testing.assert_allclose(found["first"]["view"], seen.mean(-1), atol=1e-5)
    again = affine_sample(seen, found["second"]["theta"], (16, 16))
    np.testing.assert_allclose(found["second"]["view"], again.mean(-1), atol=1e-5)


def test_frames_go_through_the_transformers_before():
    half = np.array([[0.5, 0, 0.5], [0, 0.5, 0]])  # the right half, its middle
    frames = frames_of({"first": half, "second": half})
    np.testing.assert_allclose(frames["first"], [(0, -0.5), (1, -0.5), (1, 0.5), (0, 0.5)])
    np.testing.assert_allclose(frames["second"], [(0.5, -0.25), (1, -0.25), (1, 0.25), (0.5, 0.25)])


def test_weights_of_regions(attentive):
    model, variables, images = attentive
    found = jax.jit(partial(module_views.region_weights, model))(variables, images)
    mu, nu = (np.asarray(found[name]) for name in ("self_attention", "relation_attention"))
    assert mu.shape == (2, len(REGIONS))
    assert mu.min() > 0
    np.testing.assert_allclose(found["weights"], mu * nu / (mu * nu).sum(1, keepdims=True), rtol=1e-5)


@pytest.mark.parametrize(
    "function", [module_views.transformer_views, module_views.region_weights, module_views.squeeze_excitation]
)
def test_networks_without_such_layers_give_nothing(function):
    model, variables, images, _ = make()
    assert function(model, variables, jnp.asarray(images)) == {}


def test_boxes_of_regions_are_where_the_crops_are():
    rows, columns = np.mgrid[:20, :12].astype(np.float32)
    crops = crop_regions(jnp.stack([rows, columns], axis=-1)[None])[0]
    for (top, left, tall, wide), crop in zip(region_boxes(20, 12), crops, strict=True):
        np.testing.assert_allclose(
            crop.mean((0, 1)), (top + (tall - 1) / 2, left + (wide - 1) / 2), atol=1e-4
        )
        np.testing.assert_allclose(crop[0, 0], (top, left), atol=0.5)


def test_maps_of_regions_are_laid_where_the_regions_are():
    whole = onto_images(jnp.ones((2 * len(REGIONS), 3, 3)), 2, (16, 16))
    expected = np.zeros((16, 16))
    for top, left, tall, wide in region_boxes(16, 16):
        expected[top : top + tall, left : left + wide] += 1
    np.testing.assert_allclose(whole, [expected, expected])
    only = jnp.zeros((len(REGIONS), 4, 4)).at[REGIONS.index("bottom right"), 3, 3].set(1.0)
    hottest = np.unravel_index(onto_images(only, 1, (16, 16))[0].argmax(), (16, 16))
    assert min(hottest) >= 14


def test_maps_of_whole_images_are_enlarged():
    ramp = jnp.asarray([[[0.0, 1.0]]])
    np.testing.assert_allclose(onto_images(ramp, 1, (1, 4)), [[[0, 0.25, 0.75, 1]]], atol=1e-6)
