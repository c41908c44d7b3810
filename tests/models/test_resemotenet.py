import functools

import jax
import jax.numpy as jnp
import pytest
import torch

from ferjax import models
from ferjax.interop.torch_models import resemotenet as torch_resemotenet


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
