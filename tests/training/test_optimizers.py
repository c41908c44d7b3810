"""Trajectories against PyTorch's optimizers, several steps long, in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch

from ferjax.config import defaults
from ferjax.training import optimizers

RATES = [0.1, 0.1, 0.05, 0.05, 0.2, 0.01, 0.01, 0.3]


def settings(**fields):
    group = defaults().optimizer
    group.update(fields)
    return group


def gradients(step):
    generator = np.random.default_rng(step)
    return {"kernel": generator.normal(0, 3, (3, 4)), "bias": generator.normal(0, 3, 4)}


def ours(group):
    """The parameters after each step."""
    found = []
    with jax.enable_x64(True):
        params = jax.tree.map(jnp.asarray, gradients(99))
        tx = optimizers.create(group, lambda step: jnp.asarray(RATES)[step])
        state = tx.init(params)
        for step in range(len(RATES)):
            updates, state = tx.update(jax.tree.map(jnp.asarray, gradients(step)), state, params)
            params = optax.apply_updates(params, updates)
            found.append(jax.tree.map(np.asarray, params))
    return found


def theirs(make, group):
    """The same with PyTorch; vectors get no decay unless `decay_vectors`."""
    params = {name: torch.nn.Parameter(torch.tensor(value)) for name, value in gradients(99).items()}
    decay = group.weight_decay
    groups = [
        {"params": [params["kernel"]], "weight_decay": decay},
        {"params": [params["bias"]], "weight_decay": decay if group.decay_vectors else 0.0},
    ]
    optimizer, found = make(groups), []
    for step, rate in enumerate(RATES):
        for part in optimizer.param_groups:
            part["lr"] = rate
        for name, value in gradients(step).items():
            params[name].grad = torch.tensor(value)
        if group.clip_norm:
            torch.nn.utils.clip_grad_norm_(params.values(), group.clip_norm)
        optimizer.step()
        found.append({name: value.detach().numpy().copy() for name, value in params.items()})
    return found


def assert_same_way(found, expected, rtol=1e-9):
    for step, (a, b) in enumerate(zip(found, expected, strict=True)):
        for name in b:
            np.testing.assert_allclose(a[name], b[name], rtol=rtol, atol=1e-12, err_msg=f"{name} at {step}")


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("decay_vectors", [False, True])
def test_sgd_is_pytorchs(momentum, nesterov, decay, decay_vectors):
    group = settings(name="sgd", momentum=momentum, nesterov=nesterov, weight_decay=decay,
                     decay_vectors=decay_vectors)  # fmt: skip
    nesterov = nesterov and momentum > 0  # PyTorch refuses it without momentum, where it means nothing
    expected = theirs(lambda p: torch.optim.SGD(p, momentum=momentum, nesterov=nesterov), group)
    assert_same_way(ours(group), expected)


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("decay_vectors", [False, True])
def test_adamw_is_pytorchs(decay, decay_vectors):
    group = settings(name="adamw", beta1=0.8, beta2=0.95, epsilon=1e-6, weight_decay=decay,
                     decay_vectors=decay_vectors)  # fmt: skip
    expected = theirs(lambda p: torch.optim.AdamW(p, betas=(0.8, 0.95), eps=1e-6), group)
    assert_same_way(ours(group), expected)


@pytest.mark.parametrize("name", ["sgd", "adamw", "lamb"])
def test_the_mean_gradient_is_kept_in_bfloat16_and_moves_the_weights_almost_alike(name):
    group = settings(name=name, momentum_precision="bfloat16")
    params = jax.tree.map(jnp.float32, gradients(99))
    state = optimizers.create(group, optax.constant_schedule(0.1)).init(params)
    kept = {leaf.dtype for leaf in jax.tree.leaves(state) if leaf.ndim}
    variances = set() if name == "sgd" else {jnp.dtype("float32")}
    assert kept == {jnp.dtype("bfloat16")} | variances
    # Eight bits of each mean gradient are kept.
    half, whole = ours(group), ours(settings(name=name))
    for found, expected in zip(half, whole, strict=True):
        for weight, value in expected.items():
            np.testing.assert_allclose(found[weight], value, rtol=0.01, atol=0.05)
    assert any((half[-1][weight] != value).any() for weight, value in whole[-1].items())


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_clipping_comes_before_decay_and_momentum(name):
    """PyTorch divides by the norm + 1e-6, optax by the norm: seven digits agree."""
    group = settings(name=name, clip_norm=2.0, weight_decay=0.1)
    make = {"sgd": lambda p: torch.optim.SGD(p, momentum=0.9), "adamw": torch.optim.AdamW}[name]
    assert_same_way(ours(group), theirs(make, group), rtol=1e-5)


def test_a_small_gradient_is_not_clipped():
    assert_same_way(ours(settings(clip_norm=1e3)), ours(settings(clip_norm=0.0)), rtol=1e-15)
    clipped, whole = ours(settings(clip_norm=1.0)), ours(settings(clip_norm=0.0))
    assert not np.allclose(clipped[0]["kernel"], whole[0]["kernel"])


def independent(group, update):
    """The parameters after each step of an optimizer written with NumPy: one call a step and weight."""
    params = gradients(99)
    states = {name: {} for name in params}
    found = []
    for step, rate in enumerate(RATES):
        for name, gradient in gradients(step).items():
            decay = group.weight_decay if name == "kernel" or group.decay_vectors else 0.0
            params[name] = update(
                states[name], params[name], gradient, rate, step + 1, decay, name == "kernel"
            )
        found.append({name: value.copy() for name, value in params.items()})
    return found


@pytest.mark.parametrize("decay_vectors", [False, True])
@pytest.mark.parametrize("nesterov", [False, True])
def test_lars_is_its_paper_s_and_leaves_vectors_to_sgd(decay_vectors, nesterov):
    group = settings(name="lars", weight_decay=0.3, trust_coefficient=0.02, decay_vectors=decay_vectors,
                     nesterov=nesterov)  # fmt: skip

    def update(state, w, g, rate, step, decay, is_matrix):
        g = g + decay * w
        ratio = 0.02 * np.linalg.norm(w) / np.linalg.norm(g) if is_matrix else 1.0
        move = rate * ratio * g
        state["v"] = 0.9 * state.get("v", 0.0) + move
        return w - (0.9 * state["v"] + move if nesterov else state["v"])

    assert_same_way(ours(group), independent(group, update))


@pytest.mark.parametrize("decay_vectors", [False, True])
def test_lamb_is_its_algorithm_2_and_leaves_vectors_to_adamw(decay_vectors):
    group = settings(name="lamb", beta1=0.8, beta2=0.95, epsilon=1e-6, weight_decay=0.3,
                     decay_vectors=decay_vectors)  # fmt: skip

    def update(state, w, g, rate, step, decay, is_matrix):
        state["m"] = 0.8 * state.get("m", 0.0) + 0.2 * g
        state["v"] = 0.95 * state.get("v", 0.0) + 0.05 * g**2
        r = (state["m"] / (1 - 0.8**step)) / (np.sqrt(state["v"] / (1 - 0.95**step)) + 1e-6) + decay * w
        ratio = np.linalg.norm(w) / np.linalg.norm(r) if is_matrix else 1.0
        return w - rate * ratio * r

    assert_same_way(ours(group), independent(group, update))
