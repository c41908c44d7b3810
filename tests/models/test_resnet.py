"""The residual networks' shapes; their numbers are compared with PyTorch's in tests/interop."""

import functools

import jax
import jax.numpy as jnp
import pytest
from flax.traverse_util import flatten_dict

from ferjax import models
from ferjax.models.resnet import ResidualBlock


def outputs(name, size):
    """Every module's output and the variables; nothing is computed."""
    init = functools.partial(
        models.create(name).init_with_output,
        train=False,
        capture_intermediates=True,
        mutable=["params", "batch_stats", "intermediates"],
    )
    _, variables = jax.eval_shape(init, jax.random.key(0), jnp.zeros((2, size, size, 3)))
    captured = flatten_dict(variables.pop("intermediates"), sep="/")
    return {path.removesuffix("/__call__"): value[0].shape for path, value in captured.items()}, variables


@pytest.mark.slow
@pytest.mark.parametrize(("name", "wide"), [("se_resnet18", 1), ("resnet34", 1), ("resnet50", 4)])
def test_stages_have_the_papers_sizes(name, wide):
    """He et al. (2016), table 1, at 224×224."""
    found, _ = outputs(name, 224)
    assert found["conv1"] == (2, 112, 112, 64)
    for stage, (size, channels) in enumerate([(56, 64), (28, 128), (14, 256), (7, 512)], start=1):
        assert found[f"layer{stage}_0"] == found[f"layer{stage}_1"] == (2, size, size, wide * channels)


def test_an_se_block_in_every_residual_block_and_in_no_other_network():
    plain, _ = outputs("resnet18", 64)
    squeezed, _ = outputs("se_resnet18", 64)
    added = {path for path in set(squeezed) - set(plain) if path.endswith("/se")}
    assert added == {f"layer{stage}_{block}/se" for stage in (1, 2, 3, 4) for block in (0, 1)}
    assert not any("/se" in path for path in plain)


@pytest.mark.parametrize("bottleneck", [True, False])
@pytest.mark.parametrize("squeeze", [True, False])
def test_a_block_begins_as_its_shortcut_with_zero_init_residual(bottleneck, squeeze):
    x = jax.random.uniform(jax.random.key(1), (2, 4, 4, 16))
    features = 4 if bottleneck else 16

    def begun(zero):
        block = ResidualBlock(features, bottleneck=bottleneck, squeeze=squeeze, zero_init_residual=zero)
        return jax.jit(lambda x: block.init_with_output(jax.random.key(0), x, train=False)[0])(x)

    assert bool(jnp.array_equal(begun(True), x))
    assert not bool(jnp.array_equal(begun(False), x))


@pytest.mark.slow
@pytest.mark.parametrize("size", [32, 33, 48, 63, 100])
def test_the_weights_do_not_depend_on_the_image_size(size):
    found, variables = outputs("se_resnet50", size)
    assert found["fc"] == (2, 7)
    assert jax.tree.map(jnp.shape, variables) == jax.tree.map(jnp.shape, outputs("se_resnet50", 64)[1])
