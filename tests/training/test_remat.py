"""Rematerialisation changes what is kept, and nothing else."""

from functools import partial

import jax
import jax.numpy as jnp
import pytest
import tiny

from ferjax import models
from ferjax.registry import NETWORKS
from ferjax.training.remat import NAMES, rematerialised


def step(model, how, variables, images):
    """A pure function from parameters to gradients and new statistics."""

    def loss(params):
        logits, updates = rematerialised(model.apply, how)(
            {**variables, "params": params},
            images,
            rngs={"dropout": jax.random.key(1)},
            train=True,
            mutable=["batch_stats"],
        )
        return jnp.square(logits).sum(), updates

    return jax.value_and_grad(loss, has_aux=True)


def kept(model, how, batch=4, size=16):
    """Bytes of the images' activations that wait for the backward pass."""
    images = jnp.zeros((batch, size, size, 3))
    variables = jax.eval_shape(lambda: model.init(jax.random.key(0), images))

    def forward(params, stats, images):
        return jax.vjp(
            lambda params: rematerialised(model.apply, how)(
                {"params": params, "batch_stats": stats}, images, rngs={"dropout": jax.random.key(1)},
                train=True, mutable=["batch_stats"],
            )[0],
            params,
        )[1]  # fmt: skip

    residuals = jax.eval_shape(forward, variables["params"], variables["batch_stats"], images)
    return sum(
        leaf.size * leaf.dtype.itemsize
        for leaf in jax.tree.leaves(residuals)
        if leaf.ndim == 4 and leaf.shape[0] == batch
    )


@pytest.mark.slow
def test_gradients_loss_and_statistics_are_the_same():
    model = tiny.TinyNet(dropout=0.5)
    images = jax.random.normal(jax.random.key(2), (4, 16, 16, 3))
    variables = jax.jit(model.init)(jax.random.key(0), images)
    found = [jax.jit(step(model, how, variables, images))(variables["params"]) for how in NAMES]
    for other in found[1:]:
        tiny.assert_near(other, found[0], rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", models.names())
def test_every_network_keeps_its_names(name):
    model = models.create(name)
    size = NETWORKS.find(name).facts.smallest
    images = jax.ShapeDtypeStruct((2, size, size, 3), jnp.float32)
    variables = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.zeros(images.shape)))

    def applied(variables, images, how):
        rngs = {"dropout": jax.random.key(1)}
        apply = rematerialised(model.apply, how)
        return apply(variables, images, rngs=rngs, train=True, mutable=["batch_stats"])

    plain, less = (jax.eval_shape(partial(applied, how=how), variables, images) for how in ("none", "layers"))
    assert less == plain


@pytest.mark.slow
def test_less_is_kept():
    model = models.create("resnet18")
    assert kept(model, "layers", size=64) < 0.6 * kept(model, "none", size=64)
