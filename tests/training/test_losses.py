import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ferjax.config.text_fields import parse_l2
from ferjax.errors import UserError
from ferjax.training.losses import cross_entropy, inverse_frequency, l2_penalty


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


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("soft", [False, True])
def test_focal_loss_is_its_formula(gamma, soft):
    """Σ_k t_k · w_k · (1 − p_k)^γ · (−log p_k), with NumPy, and its gradient by differences."""
    generator = np.random.default_rng(0)
    logits, weights = generator.normal(0, 3, (5, 4)), generator.uniform(0.5, 2, 4)
    labels = generator.dirichlet(np.ones(4), 5) if soft else generator.integers(0, 4, 5)
    target = labels if soft else np.eye(4)[labels]

    def expected(logits):
        chances = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        return (target * weights * (1 - chances) ** gamma * -np.log(chances)).sum()

    def found(logits):
        return cross_entropy(logits, jnp.asarray(labels), jnp.asarray(weights), 0.0, gamma)[0].sum()

    with jax.enable_x64(True):
        value, gradient = jax.value_and_grad(found)(jnp.asarray(logits))
    np.testing.assert_allclose(value, expected(logits), rtol=1e-10)
    step = 1e-6 * np.eye(20).reshape(20, 5, 4)
    numeric = [(expected(logits + d) - expected(logits - d)) / 2e-6 for d in step]
    np.testing.assert_allclose(np.ravel(gradient), numeric, rtol=1e-5, atol=1e-7)


def test_focal_loss_of_a_sure_example_has_a_finite_gradient():
    def loss(logits):
        return cross_entropy(logits, jnp.array([0]), focal_gamma=0.5)[0].sum()

    value, gradient = jax.value_and_grad(loss)(jnp.array([[200.0, 0.0, 0.0]]))
    assert value == 0
    np.testing.assert_array_equal(gradient, 0)


PARAMS = {
    "fc1": {"kernel": np.full((2, 3), 2.0), "bias": np.ones(3)},
    "fc2": {"kernel": np.full((3, 1), 3.0)},
}


def test_l2_is_half_lambda_times_the_sum_of_squares():
    rules = parse_l2("fc1/kernel:0.001, fc2/kernel:0.01")
    assert rules == (("fc1/kernel", 0.001), ("fc2/kernel", 0.01))
    value, gradient = jax.value_and_grad(l2_penalty)(PARAMS, rules)
    assert value == pytest.approx(0.5 * (0.001 * 24 + 0.01 * 27))
    np.testing.assert_allclose(gradient["fc1"]["kernel"], 0.001 * PARAMS["fc1"]["kernel"], rtol=1e-6)
    np.testing.assert_array_equal(gradient["fc1"]["bias"], 0)
    assert l2_penalty(PARAMS, parse_l2("")) == 0
    assert l2_penalty(PARAMS, parse_l2("fc./kernel:1")) == pytest.approx(0.5 * 51)


@pytest.mark.parametrize("text", ["fc1", "fc1:", ":0.1", "fc1:much", "fc1:-1", "fc1:nan", "fc1:inf", "(:1"])
def test_l2_that_cannot_be_read(text):
    with pytest.raises(UserError, match=r"is not PATTERN:NUMBER, such as fc1/kernel:0.001"):
        parse_l2(text)


def test_l2_on_a_weight_that_is_not_there():
    with pytest.raises(UserError, match=r"'fc3' is in no parameter's path; the last ones are .*fc2/kernel"):
        l2_penalty(PARAMS, (("fc3", 1.0),))
