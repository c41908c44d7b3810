"""What must hold of every registered network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ferjax import models
from ferjax.errors import UserError

# Parameters with seven classes, counted by others: the papers, or the PyTorch counterpart.
PARAMETERS = {"resemotenet": 80_238_599}
# A size that each network takes and that a test can afford.
SIZE = {"resemotenet": 16}


def variables_of(name: str, size: int, **options) -> tuple[object, dict]:
    model = models.create(name, **options)
    images = jnp.zeros((1, size, size, 3))
    return model, jax.eval_shape(lambda: model.init(jax.random.key(0), images))


def test_every_network_is_pinned():
    assert set(PARAMETERS) == set(models.names()) == set(SIZE)


@pytest.mark.parametrize("name", models.names())
def test_parameter_count(name):
    _, variables = variables_of(name, 64)
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == PARAMETERS[name]


@pytest.mark.parametrize("name", models.names())
@pytest.mark.parametrize("num_classes", [2, 8])
def test_logits_have_the_asked_classes_at_any_batch(name, num_classes):
    model, variables = variables_of(name, 64, num_classes=num_classes)
    for batch in (1, 3):
        images = jax.ShapeDtypeStruct((batch, 64, 64, 3), jnp.float32)
        logits = jax.eval_shape(model.apply, variables, images)
        assert logits.shape == (batch, num_classes)
        assert logits.dtype == jnp.float32


@pytest.mark.slow
@pytest.mark.parametrize("name", models.names())
def test_forward_gradient_jit_and_bfloat16(name):
    size = SIZE[name]
    model = models.create(name)
    images = jax.random.normal(jax.random.key(0), (4, size, size, 3))
    variables = jax.jit(model.init)(jax.random.key(1), images)

    plain = model.apply(variables, images)
    np.testing.assert_allclose(jax.jit(model.apply)(variables, images), plain, rtol=1e-4, atol=1e-5)

    half = models.create(name, dtype=jnp.bfloat16).apply(variables, images)
    assert half.dtype == jnp.bfloat16
    np.testing.assert_allclose(half.astype(jnp.float32), plain, atol=0.05)

    def loss(params):
        logits, updates = model.apply(
            {**variables, "params": params},
            images,
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": jax.random.key(2)},
        )
        return jnp.square(logits).mean(), updates

    gradients, updates = jax.jit(jax.grad(loss, has_aux=True))(variables["params"])
    norms = {
        jax.tree_util.keystr(path): float(jnp.linalg.norm(leaf))
        for path, leaf in jax.tree_util.tree_leaves_with_path(gradients)
    }
    assert all(np.isfinite(norm) for norm in norms.values())
    assert all(norm > 0 for name, norm in norms.items() if "kernel" in name)
    before, after = variables["batch_stats"], updates["batch_stats"]
    assert all(jax.tree.leaves(jax.tree.map(lambda a, b: bool((a != b).any()), before, after)))


def test_unknown_name_and_option_name_the_nearest():
    with pytest.raises(UserError, match="resemotenet"):
        models.create("resemotnet")
    with pytest.raises(UserError, match="head_dropout"):
        models.create("resemotenet", head_dropuot=0.1)


@pytest.mark.parametrize("shape", [(1, 4, 4, 3), (1, 64, 64, 1), (64, 64, 3)])
def test_images_that_resemotenet_cannot_take(shape):
    model = models.create("resemotenet")
    with pytest.raises(UserError, match="at least 8×8"):
        jax.eval_shape(model.init, jax.random.key(0), jnp.zeros(shape))
