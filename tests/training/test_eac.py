"""EAC: the term against loops, a step against one written out, and networks without class maps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from tiny_steps import PLAIN, batch, built

from ferjax import models
from ferjax.augment import normalise
from ferjax.config import defaults
from ferjax.errors import UserError
from ferjax.models import class_maps
from ferjax.models.observed import observed
from ferjax.training import setup
from ferjax.training.eac import inconsistency

SHAPE = (16, 16, 3)


def slow_inconsistency(maps, mirrored, weights):
    """One place, class and channel after another."""
    batch, height, width, channels = maps.shape
    found = np.zeros(batch)
    for b in range(batch):
        for y in range(height):
            for x in range(width):
                for k in range(weights.shape[1]):
                    here = sum(maps[b, y, x, c] * weights[c, k] for c in range(channels))
                    there = sum(mirrored[b, y, width - 1 - x, c] * weights[c, k] for c in range(channels))
                    found[b] += (here - there) ** 2 / (height * width * weights.shape[1])
    return found


def test_it_is_the_mean_squared_difference_of_the_class_maps():
    generator = np.random.default_rng(0)
    maps, mirrored = generator.normal(size=(2, 3, 2, 3, 4))
    weights = generator.normal(size=(4, 5))
    found = inconsistency(*map(jnp.asarray, (maps, mirrored, weights)))
    np.testing.assert_allclose(found, slow_inconsistency(maps, mirrored, weights), rtol=1e-5)
    np.testing.assert_allclose(inconsistency(maps, maps[:, :, ::-1], weights), 0)


def test_class_maps_add_up_to_the_logits():
    model = tiny.TinyNet()
    variables = jax.jit(model.init)(jax.random.key(0), jnp.zeros((1, *SHAPE)))
    images = normalise(batch(4)["image"])
    logits, seen = observed(model.apply, maps=True)(variables, images)
    weights = class_maps.class_weights(model, variables, SHAPE)
    np.testing.assert_allclose(weights, variables["params"]["fc"]["kernel"], rtol=1e-6)
    sums = (seen.maps @ weights).mean((1, 2)) + variables["params"]["fc"]["bias"]
    np.testing.assert_allclose(sums, logits, rtol=1e-4, atol=1e-5)


def test_a_step_adds_the_term_and_moves_the_statistics_twice():
    model, first, step = built(**{**PLAIN, "optimizer__momentum": 0.0}, loss__eac=5.0)
    rows = batch()
    images = normalise(rows["image"])
    kernel = first.params["fc"]["kernel"]

    def loss(params):
        stats, seen, logits = first.batch_stats, [], []
        for given in (images, images[:, :, ::-1]):
            (out, new), own = observed(model.apply, maps=True)(
                {"params": params, "batch_stats": stats}, given, train=True, mutable=["batch_stats"]
            )
            stats = new["batch_stats"]
            seen.append(own.maps)
            logits.append(out)
        here, there = seen[0] @ kernel, seen[1][:, :, ::-1] @ kernel  # no gradient of the kernel
        apart = ((here - there) ** 2).mean()
        chances = jax.nn.log_softmax(logits[0])
        entropy = -jnp.take_along_axis(chances, rows["label"][:, None], 1).mean()
        return entropy + 5 * apart, (stats, apart)

    gradient, (stats, apart) = jax.jit(jax.grad(loss, has_aux=True))(first.params)
    after, sums = step(first, rows)
    expected = jax.tree.map(lambda p, g: p - 0.1 * g, first.params, gradient)
    tiny.assert_near(after.params, expected, rtol=1e-3, atol=1e-5)
    tiny.assert_near(after.batch_stats, stats, rtol=1e-4, atol=1e-6)
    assert float(sums["eac_loss"]) == pytest.approx(16 * float(apart), rel=1e-3)


@pytest.mark.slow
def test_parts_add_up_and_layers_computed_again_change_nothing():
    found = []
    for fields in ({}, {"train__accumulate_steps": 4}, {"train__remat": "layers"}):
        _, current, step = built(norm=False, loss__eac=2.0, **fields, **PLAIN)
        current, sums = step(current, batch())
        found.append((current.params, sums))
    for other in found[1:]:
        tiny.assert_near(other, found[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("resemotenet", "what ResEmoteNet does after its last average is not linear"),
        ("fer_cnn", "has no such average"),
        ("ran", r"averages \d+ views of an image|is not linear|has no such average"),
    ],
)
def test_a_network_without_class_maps_is_refused_with_those_that_have(name, reason):
    config = defaults()
    config.model.name, config.loss.eac, config.data.image_size = name, 5.0, 64
    with pytest.raises(UserError, match=reason) as told:
        setup.check_methods(config, setup.build_model(config, num_classes=2))
    assert "loss.eac needs a network that ends in an average" in str(told.value)
    assert "resnet18" in str(told.value)
    assert len(str(told.value)) <= 400


@pytest.mark.relative
@pytest.mark.parametrize("name", class_maps.FITTING)
def test_the_networks_that_are_said_to_fit_do(name):
    class_maps.check_fits(models.create(name, num_classes=2), (160, 160, 3), "a test")
