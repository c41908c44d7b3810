import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from ferjax import models
from ferjax.errors import UserError
from ferjax.interop.torch_models import resemotenet as torch_resemotenet
from ferjax.interop.torch_weights import import_state_dict


def shapes(size=64):
    """Logits and variables; nothing is computed."""
    init = functools.partial(models.create("resemotenet").init_with_output, train=False)
    return jax.eval_shape(init, jax.random.key(0), jnp.zeros((2, size, size, 3)))


def test_it_has_the_tensors_of_the_published_files():
    """94 names in PyTorch: ours, and a counter of batches for each of the 12 normalisations."""
    _, variables = shapes()
    ours = sorted(leaf.size for leaf in jax.tree.leaves(variables))
    norms = len(jax.tree.leaves(variables["batch_stats"])) // 2
    assert (len(ours) + norms, norms) == (94, 12)
    with torch.device("meta"):
        published = torch_resemotenet.ResEmoteNet().state_dict()
    assert len(published) == 94
    assert ours == sorted(value.numel() for name, value in published.items() if "num_batches" not in name)


@pytest.mark.slow
@pytest.mark.parametrize("size", [8, 9, 48, 63, 100, 224])
def test_the_weights_do_not_depend_on_the_image_size(size):
    logits, variables = shapes(size)
    assert logits.shape == (2, 7)
    assert jax.tree.map(jnp.shape, variables) == jax.tree.map(jnp.shape, shapes()[1])


def test_variables_are_float32_whatever_it_computes_in():
    model = models.create("resemotenet", dtype=jnp.bfloat16)
    logits, variables = jax.eval_shape(model.init_with_output, jax.random.key(0), jnp.zeros((1, 64, 64, 3)))
    assert logits.dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}


def removed_parameters(without):
    """Counts parameters that are left out, with those of the next part's inputs, from the paper's layers."""

    def conv(inputs, outputs, size=3):
        return size * size * inputs * outputs + outputs

    def block(inputs, outputs):
        return (
            conv(inputs, outputs) + conv(outputs, outputs) + conv(inputs, outputs, size=1) + 3 * 2 * outputs
        )

    def stem(*channels):
        return sum(conv(a, b) + 2 * b for a, b in zip((3, *channels), channels, strict=False))

    def body(*channels):
        return sum(block(a, b) for a, b in zip((256, *channels), channels, strict=False))

    return {
        "": 0,
        "se": 2 * 256 * 16,
        "conv64": stem(64, 128, 256) - stem(128, 256),
        "conv64,conv128": stem(64, 128, 256) - stem(256),
        "conv128": stem(64, 128, 256) - stem(64, 256),
        "rb256": body(512, 1024, 2048) - body(1024, 2048),
        "rb256,rb512": body(512, 1024, 2048) - body(2048),
        "rb512": body(512, 1024, 2048) - body(512, 2048),
    }[without]


@pytest.mark.parametrize(
    "without", ["", "se", "conv64", "conv64,conv128", "conv128", "rb256", "rb256,rb512", "rb512"]
)
def test_ablations_have_the_parameters_of_the_parts_that_stay(without):
    model = models.create("resemotenet", without=without)
    init = functools.partial(model.init_with_output, train=False)
    logits, variables = jax.eval_shape(init, jax.random.key(0), jnp.zeros((2, 64, 64, 3)))
    assert logits.shape == (2, 7)
    count = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    assert count == 80_238_599 - removed_parameters(without)
    with torch.device("meta"):
        theirs = torch_resemotenet.ResEmoteNet(without=without)
    assert count == sum(weight.numel() for weight in theirs.parameters())


@pytest.mark.slow
def test_the_smallest_ablation_gives_pytorchs_logits():
    """Every removable part is left out: one convolution, one residual block and the classifier stay."""
    without = "conv64,conv128,se,rb256,rb512"
    torch.manual_seed(0)
    theirs = torch_resemotenet.ResEmoteNet(without=without).double().eval()
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 3))
    with torch.no_grad():
        expected = theirs(torch.tensor(images.transpose(0, 3, 1, 2))).numpy()
    variables = import_state_dict("resemotenet", theirs.state_dict(), without=without)
    with jax.enable_x64(True):
        model = models.create("resemotenet", without=without, dtype=jnp.float64)
        found = jax.jit(model.apply)(variables, images)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    ("without", "message"),
    [
        ("conv256", "cannot be without conv256, whose channels the SE and residual blocks read"),
        ("se,rb1024", "cannot be without rb1024, whose channels the classifier reads"),
        (
            "conv65",
            "no part 'conv65' .nearest: conv64.*; without= takes conv64, conv128, se, rb2",
        ),
        ("se, se", "names se twice"),
        (("se",), "takes names separated by commas"),
    ],
)
def test_impossible_ablations_are_refused_before_anything_is_built(without, message):
    with pytest.raises(UserError, match=message):
        models.create("resemotenet", without=without)


def test_without_a_convolution_smaller_images_are_taken():
    images = jnp.zeros((1, 4, 4, 3))
    jax.eval_shape(models.create("resemotenet", without="conv64").init, jax.random.key(0), images)
    with pytest.raises(UserError, match="at least 8×8"):
        jax.eval_shape(models.create("resemotenet").init, jax.random.key(0), images)
