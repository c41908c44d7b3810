"""RAN: regions in one batch, its price, its options."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ferjax import models
from ferjax.errors import UserError
from ferjax.layers.cpu import conv_lowerings
from ferjax.layers.regions import RegionAttention, crop_regions

# The largest cost of the regions, in forward passes of the backbone: seven, and a little more.
LARGEST_COST = 7.2


def flops(function, *arguments) -> float:
    """Counts floating-point operations of the compiled program, as the compiler does."""
    analysis = jax.jit(function).lower(*arguments).compile().cost_analysis()
    return analysis["flops"]


@pytest.mark.slow
@pytest.mark.relative
def test_all_regions_at_once_give_the_logits_of_one_after_another():
    """In evaluation nothing depends on the batch: seven calls give what one does."""
    model, images = models.create("ran"), jax.random.normal(jax.random.key(0), (2, 32, 32, 3))
    variables = jax.jit(model.init)(jax.random.key(1), images)
    params, stats = variables["params"], variables["batch_stats"]
    backbone = models.create("resnet18", num_classes=0)

    @jax.jit
    def features_of(images):
        return backbone.apply({"params": params["backbone"], "batch_stats": stats["backbone"]}, images)

    features = jnp.stack([features_of(crop_regions(images)[:, i]) for i in range(7)], axis=1)
    x = RegionAttention().apply({"params": params["attention"]}, features)
    expected = x @ params["fc"]["kernel"] + params["fc"]["bias"]
    np.testing.assert_allclose(jax.jit(model.apply)(variables, images), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.relative
def test_it_costs_little_more_than_seven_passes_of_its_backbone(monkeypatch):
    # All as sums over taps: more images are enough for fewer products, which so few are not.
    monkeypatch.setattr(conv_lowerings, "WINOGRAD_CHANNELS", 10**9)
    images = jax.ShapeDtypeStruct((8, 64, 64, 3), jnp.float32)
    cost = {}
    for name, classes in (("ran", 7), ("resnet18", 0)):
        model = models.create(name, num_classes=classes)
        variables = jax.eval_shape(model.init, jax.random.key(0), images)
        cost[name] = flops(model.apply, variables, images)
    # It counts convolutions: two for each of 148 M multiply-adds at 64×64, but for those with padding.
    assert 0.8 < cost["resnet18"] / (8 * 2 * 148e6) < 1
    assert 7 <= cost["ran"] / cost["resnet18"] < LARGEST_COST


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbone": "resnet19"}, "takes resnet18, "),
        ({"alpha": 1.5}, "at most 1"),
        ({"alpha": -0.1}, "alpha"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        jax.eval_shape(models.create("ran", **options).init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))


@pytest.mark.slow
def test_other_backbones():
    model = models.create("ran", backbone="se_resnet34")
    shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    assert "se" in shapes["params"]["backbone"]["layer3_5"]
