"""Contrastive learning: its loss against PyTorch's cross entropy, and what its network is made of."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ferjax import models
from ferjax.errors import UserError
from ferjax.models import simclr
from ferjax.training.paths import by_path

SMALL_VIT = {"patch": 4, "width": 16, "depth": 1, "heads": 2}


def theirs(first, second, temperature):
    """NT-Xent by a table of cosines and cross entropy, with gradients; the mean."""
    views = torch.nn.functional.normalize(torch.cat([first, second]), dim=1)
    count = len(first)
    cosines = views @ views.T
    logits = cosines.masked_fill(torch.eye(2 * count, dtype=torch.bool), float("-inf")) / temperature
    right = torch.cat([torch.arange(count) + count, torch.arange(count)])
    return torch.nn.functional.cross_entropy(logits, right)


# Two shapes: each is compiled anew.
@settings(max_examples=10, deadline=None)
@given(st.sampled_from([2, 7]), st.just(5), st.floats(0.05, 2.0), st.integers(0, 99))
def test_the_loss_and_its_gradient_are_pytorchs(count, size, temperature, seed):
    rng = np.random.default_rng(seed)
    pair = [rng.normal(size=(count, size)) for _ in range(2)]
    tensors = [torch.tensor(each, requires_grad=True) for each in pair]
    wanted = theirs(*tensors, temperature)
    wanted.backward()

    def loss(first, second):
        unit = [each / jnp.linalg.norm(each, axis=1, keepdims=True) for each in (first, second)]
        return simclr.contrastive_loss(*unit, temperature).mean()

    with jax.enable_x64(True):
        value, gradients = jax.value_and_grad(loss, argnums=(0, 1))(*map(jnp.asarray, pair))
    assert float(value) == pytest.approx(wanted.item(), rel=1e-9)
    for gradient, tensor in zip(gradients, tensors, strict=True):
        np.testing.assert_allclose(gradient, tensor.grad.numpy(), rtol=1e-7, atol=1e-9)


def test_a_single_image_has_nothing_to_be_told_from():
    unit = np.float32([[0.6, 0.8]])
    assert float(simclr.contrastive_loss(unit, unit, 0.1)[0]) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("network", "options", "classifier"),
    [("small_resnet", {}, "fc"), ("vit_tiny48", SMALL_VIT, "head"), ("se_resnet18", {}, "fc")],
)
def test_its_parameters_are_the_networks_but_for_the_classifier(network, options, classifier):
    plain, side = models.create(network, **options), 32
    model = simclr.contrasted(plain, (side, side, 3), 5)
    images = jax.ShapeDtypeStruct((2, side, side, 3), jnp.float32)
    own, whole = (jax.eval_shape(each.init, jax.random.key(0), images) for each in (model, plain))
    own, whole = by_path(own), by_path(whole)
    added = {path for path in own if "/projection_" in path}
    assert {path.split("/")[1] for path in added} == {"projection_hidden", "projection_out"}
    gone = {f"params/{classifier}/kernel", f"params/{classifier}/bias"}
    assert own.keys() - added == whole.keys() - gone
    assert all(own[path].shape == whole[path].shape for path in own.keys() - added)
    features = whole[f"params/{classifier}/kernel"].shape[0]
    assert own["params/projection_hidden/kernel"].shape == (features, features)
    assert jax.eval_shape(
        model.apply, jax.eval_shape(model.init, jax.random.key(0), images), images
    ).shape == (2, 5)


def test_views_are_projected_onto_the_unit_sphere_by_what_the_classifier_reads():
    plain = tiny.TinyNet()
    model = simclr.contrasted(plain, (16, 16, 3), 6)
    images = np.random.default_rng(0).normal(size=(3, 16, 16, 3)).astype(np.float32)
    variables = model.init(jax.random.key(0), images)
    found = model.apply(variables, images)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-6)

    params = variables["params"]
    identity = {"fc": {"kernel": np.eye(16, dtype=np.float32), "bias": np.zeros(16, np.float32)}}
    features = plain.clone(num_classes=16).apply({**variables, "params": {**params, **identity}}, images)
    hidden, out = params["projection_hidden"], params["projection_out"]
    by_hand = np.maximum(features @ hidden["kernel"] + hidden["bias"], 0) @ out["kernel"] + out["bias"]
    by_hand /= np.linalg.norm(by_hand, axis=1, keepdims=True)
    np.testing.assert_allclose(found, by_hand, rtol=1e-4, atol=1e-6)


def test_a_network_without_a_classifier_that_is_linear_is_refused():
    with pytest.raises(UserError, match=r"pretrain\.method=simclr needs a network whose logits"):
        simclr.contrasted(models.create("dan"), (48, 48, 3), 8)
