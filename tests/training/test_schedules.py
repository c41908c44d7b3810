"""Learning rates against PyTorch's schedulers."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ferjax.config import defaults
from ferjax.registry import SCHEDULES
from ferjax.training import schedules
from ferjax.training.schedules import Plateau

TOTAL, PER_EPOCH = 60, 7.5


def ours(total=TOTAL, **fields):
    group = defaults().schedule
    group.update(fields)
    schedule = schedules.create(group, PER_EPOCH, total)
    return np.asarray(jax.vmap(schedule)(jnp.arange(total))).astype(float)


def theirs(make, rate, total=TOTAL):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)
    scheduler, found = make(optimizer), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that no gradient was used
        for _ in range(total):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
    return np.array(found)


def test_constant_and_plateau_do_not_change_by_themselves():
    for name in ("constant", "plateau"):
        assert set(ours(name=name, learning_rate=0.25)) == {0.25}


def test_cosine_is_pytorchs():
    expected = theirs(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, TOTAL), 0.3)
    np.testing.assert_allclose(ours(name="cosine", learning_rate=0.3), expected, rtol=1e-4, atol=1e-7)


def test_step_is_pytorchs():
    """PyTorch's, counted in steps: 2 epochs of 7.5 steps are 15."""
    expected = theirs(lambda o: torch.optim.lr_scheduler.StepLR(o, 15, 0.2), 0.3)
    found = ours(name="step", learning_rate=0.3, every_epochs=2.0, factor=0.2)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("total", [60, 1000])
def test_onecycle_is_pytorchs_but_a_step_later(total):
    """optax has its peak at step 0.3 T and its end at T; PyTorch at 0.3 T − 1 and T − 1."""
    found = ours(total, name="onecycle", learning_rate=0.5)
    expected = theirs(
        lambda o: torch.optim.lr_scheduler.OneCycleLR(
            o, 0.5, total_steps=total, pct_start=0.3, div_factor=25.0, final_div_factor=1e4
        ),
        0.5,
        total,
    )
    peak = round(0.3 * total)
    assert found.argmax() == peak == expected.argmax() + 1
    assert found[[0, peak]] == pytest.approx([0.5 / 25, 0.5], rel=1e-5)
    np.testing.assert_allclose(found[peak:], expected[peak - 1 : -1], rtol=1e-4, atol=1e-6)
    assert (found[1:peak] <= expected[1:peak] + 1e-6).all()
    assert (found[1:peak] >= expected[: peak - 1] - 1e-6).all()


def test_warm_up_rises_linearly_and_then_the_rest_begins():
    for name in ("constant", "cosine", "step", "plateau"):
        plain = ours(name=name, learning_rate=0.4, every_epochs=2.0)
        found = ours(name=name, learning_rate=0.4, every_epochs=2.0, warmup_epochs=2.0)
        np.testing.assert_allclose(found[:15], 0.4 * (1 + 14 * np.arange(15) / 15) / 15, rtol=1e-5)
        assert found[15] == pytest.approx(0.4)
        if name != "cosine":
            np.testing.assert_allclose(found[15:], plain[:-15], rtol=1e-5)
    cosine = ours(name="cosine", learning_rate=0.4, warmup_epochs=2.0)
    expected = 0.2 * (1 + np.cos(np.pi * np.arange(45) / 45))
    np.testing.assert_allclose(cosine[15:], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("scale", "factor"), [("none", 1), ("linear", 16), ("sqrt", 4)])
def test_the_rate_grows_with_the_batch(scale, factor):
    group = defaults().schedule
    group.update(scale_rate=scale, base_batch=256, name="cosine", learning_rate=0.1, warmup_epochs=2.0)
    assert schedules.rate_factor(group, 4096) == factor
    plain = schedules.create(group, PER_EPOCH, TOTAL)
    scaled = schedules.create(group, PER_EPOCH, TOTAL, schedules.rate_factor(group, 4096))
    for step in (0, 7, 15, 40):
        assert float(scaled(step)) == pytest.approx(factor * float(plain(step)), rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCHEDULES.names())
def test_no_run_is_too_short(name):
    for total in (1, 2, 3):
        for warmup in (0.0, 0.1, 5.0):
            assert np.isfinite(ours(total, name=name, warmup_epochs=warmup)).all()


@given(
    accuracies=st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4]), min_size=1, max_size=40),
    patience=st.integers(0, 3),
)
def test_plateau_is_pytorchs(accuracies, patience):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    reference = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, mode="max", factor=0.5, patience=patience, threshold=0.0, eps=0.0
    )
    plateau = Plateau(factor=0.5, patience=patience)
    for accuracy in accuracies:
        reference.step(accuracy)
        assert plateau.update(accuracy) == optimizer.param_groups[0]["lr"]
