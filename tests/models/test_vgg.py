"""VGG's shapes; its numbers are compared with torchvision's in tests/interop."""

import functools

import jax
import jax.numpy as jnp
import pytest

from ferjax import models
from ferjax.errors import UserError


def variables(name, size, **options):
    init = functools.partial(models.create(name, **options).init_with_output, train=False)
    logits, found = jax.eval_shape(init, jax.random.key(0), jnp.zeros((2, size, size, 3)))
    assert logits.shape == (2, 7)
    return jax.tree.map(jnp.shape, found)


@pytest.mark.slow
@pytest.mark.parametrize("size", [32, 33, 63, 100, 224])
def test_the_weights_do_not_depend_on_the_image_size(size):
    assert variables("vgg16_bn", size) == variables("vgg16_bn", 224)


def test_the_classifier_has_the_asked_width():
    params = variables("vgg19", 32, hidden=24)["params"]
    assert params["fc1"]["kernel"] == (7 * 7 * 512, 24)
    assert params["fc2"]["kernel"] == (24, 24)
    assert params["fc3"]["kernel"] == (24, 7)


def test_the_network_has_the_asked_width_and_size_of_features():
    params = variables("vgg16_bn", 32, width=4, pooled=2, hidden=24)["params"]
    assert params["conv1_1"]["kernel"] == (3, 3, 3, 4)
    assert params["conv5_3"]["kernel"] == (3, 3, 32, 32)
    assert params["fc1"]["kernel"] == (2 * 2 * 32, 24)


@pytest.mark.slow
@pytest.mark.relative  # of a recipe's choice, not of the network
def test_a_narrow_classifier_begins_with_as_strong_a_signal_as_the_wide_one():
    images = jnp.ones((1, 32, 32, 3))
    found = models.create("vgg16", width=4, pooled=1, hidden=64).init(jax.random.key(0), images)["params"]
    # torchvision's deviation of 0.01 belongs to 25,088 and 4,096 inputs.
    assert found["fc1"]["kernel"].std() == pytest.approx(0.01 * (25_088 / 32) ** 0.5, rel=0.1)
    assert found["fc2"]["kernel"].std() == pytest.approx(0.01 * (4_096 / 64) ** 0.5, rel=0.1)


@pytest.mark.parametrize("option", ["width", "pooled", "hidden"])
def test_an_option_of_zero_is_refused(option):
    with pytest.raises(UserError, match=f"model.{option} is 0; it must be at least 1"):
        variables("vgg16", 32, **{option: 0})


@pytest.mark.parametrize(("name", "layers"), [("vgg16", 13), ("vgg19", 16)])
def test_normalisation_is_beside_every_convolution_or_none(name, layers):
    plain, normal = variables(name, 32), variables(f"{name}_bn", 32)
    assert "batch_stats" not in plain
    assert len(normal["batch_stats"]) == layers
    assert len(plain["params"]) == layers + 3
