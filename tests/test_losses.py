import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ferjax.losses import cross_entropy, inverse_frequency


@jax.jit
def mean_loss(logits, labels, weights, smoothing):
    """The mean loss and its gradient."""

    def mean(logits):
        loss, weight = cross_entropy(logits, labels, weights, smoothing)
        return loss.sum() / weight.sum()

    return jax.value_and_grad(mean)(logits)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**31),
    shape=st.sampled_from([(1, 2), (6, 7)]),
    weighted=st.booleans(),
    smoothing=st.sampled_from([0.0, 0.1, 0.9]),
)
def test_the_loss_and_its_gradient_are_pytorchs(seed, shape, weighted, smoothing):
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 5, shape)
    labels = generator.integers(0, shape[1], shape[0])
    weights = generator.uniform(0.1, 5, shape[1]) if weighted else None

    reference = torch.tensor(logits, requires_grad=True)
    criterion = torch.nn.CrossEntropyLoss(
        None if weights is None else torch.tensor(weights), label_smoothing=smoothing
    )
    expected = criterion(reference, torch.tensor(labels))
    expected.backward()
    with jax.enable_x64(True):
        found, gradient = mean_loss(logits, labels, weights, smoothing)
    np.testing.assert_allclose(found, expected.item(), rtol=1e-10)
    np.testing.assert_allclose(gradient, reference.grad.numpy(), rtol=1e-8, atol=1e-12)


def test_half_precision_is_computed_in_float32():
    logits = jnp.array([[300.0, 0.0, -300.0]], jnp.bfloat16)
    loss, weight = cross_entropy(logits, jnp.array([2]))
    assert loss.dtype == weight.dtype == jnp.float32
    np.testing.assert_allclose(loss, [600.0])


def test_a_loss_of_each_example():
    logits = jnp.array([[0.0, 0.0], [0.0, 0.0]])
    loss, weight = cross_entropy(logits, jnp.array([0, 1]), jnp.array([1.0, 3.0]))
    np.testing.assert_allclose(loss, np.log(2) * np.array([1.0, 3.0]), rtol=1e-6)
    np.testing.assert_array_equal(weight, [1.0, 3.0])


@given(labels=st.lists(st.integers(0, 5), min_size=1, max_size=60))
def test_inverse_frequency_weighs_every_class_alike(labels):
    labels = np.array(labels)
    weights = inverse_frequency(labels, 7)
    assert weights.dtype == np.float32
    totals = np.array([weights[labels[labels == label]].sum() for label in range(7)])
    present = np.bincount(labels, minlength=7) > 0
    np.testing.assert_allclose(totals[present], len(labels) / present.sum(), rtol=1e-5)
    assert (weights[~present] == 0).all()
    assert weights[labels].mean() == pytest.approx(1, rel=1e-5)
