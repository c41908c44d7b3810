"""mixup and cutmix against their definitions, one example at a time, and what they do to the loss."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from augmentation import group, pictures

from ferjax.augment import mix
from ferjax.training.losses import cross_entropy

LABELS = np.arange(40) % 7


def mixed(seed=0, rows=40, **fields):
    images = pictures(rows=rows)
    found, labels = mix(jax.random.key(seed), images, LABELS[:rows], 7, group(**fields))
    return images, np.asarray(found), np.asarray(labels)


def check_labels(labels, rows=40):
    """Checks that each is λ of its own class and 1 − λ of the class in the row before; returns λ."""
    np.testing.assert_allclose(labels.sum(axis=1), 1, atol=1e-6)
    own = labels[np.arange(rows), LABELS[:rows]]
    other = labels[np.arange(rows), np.roll(LABELS[:rows], 1)]
    np.testing.assert_allclose(own + other, 1, atol=1e-6)
    return own


def test_off_gives_the_arguments_back():
    images = pictures()
    found, labels = mix(jax.random.key(0), images, LABELS[:6], 7, group())
    assert found is images
    assert labels.ndim == 1


def test_mixup_is_the_weighted_mean():
    images, found, labels = mixed(mixup=0.8)
    for i, share in enumerate(check_labels(labels)):
        expected = share * images[i].astype(float) + (1 - share) * images[i - 1]
        np.testing.assert_allclose(found[i], expected, atol=0.51)
    assert found.dtype == np.uint8


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [0.2, 1.0, 5.0])
def test_shares_have_the_moments_of_the_beta_distribution(alpha):
    images, labels = np.zeros((4000, 1, 1, 1), np.uint8), np.arange(4000) % 7
    _, targets = mix(jax.random.key(1), images, labels, 7, group(mixup=alpha))
    shares = np.asarray(targets)[np.arange(4000), labels]
    assert abs(shares.mean() - 0.5) < 0.02
    assert abs(shares.var() - 1 / (4 * (2 * alpha + 1))) < 0.01


def test_cutmix_pastes_one_rectangle_and_counts_its_pixels():
    images, found, labels = mixed(cutmix=1.0)
    sizes = []
    for i, share in enumerate(check_labels(labels)):
        pasted = (found[i] != images[i]).any(axis=2)
        np.testing.assert_array_equal(found[i][pasted], images[i - 1][pasted])
        if pasted.any():
            y, x = np.nonzero(pasted)
            box = np.s_[y.min() : y.max() + 1, x.min() : x.max() + 1]
            np.testing.assert_array_equal(found[i][box], images[i - 1][box])
            # A few pixels of both images may be equal at the box's border.
            assert abs((1 - share) - pasted[box].size / pasted.size) < 0.06
        sizes.append(1 - share)
    assert max(sizes) > 0.5
    assert np.std(sizes) > 0.1


def test_both_take_turns():
    images, found, labels = mixed(mixup=1.0, cutmix=1.0)
    check_labels(labels)
    pure = [
        ((a == b) | (a == c)).all(axis=2).mean() > 0.98
        for a, b, c in zip(found, images, np.roll(images, 1, axis=0), strict=True)
    ]
    assert 8 < sum(pure) < 32


def test_soft_labels_can_be_mixed_again():
    soft = np.full((6, 7), 1 / 7, np.float32)
    _, labels = mix(jax.random.key(0), pictures(), soft, 7, group(mixup=1.0))
    np.testing.assert_allclose(labels, soft, atol=1e-6)


def test_a_distribution_of_one_class_is_that_class():
    logits = np.random.default_rng(0).normal(size=(9, 7)).astype(np.float32)
    labels = np.arange(9) % 7
    weights = jnp.arange(1.0, 8.0)
    for hard, soft in zip(
        cross_entropy(logits, labels, weights, 0.1),
        cross_entropy(logits, np.eye(7, dtype=np.float32)[labels], weights, 0.1),
        strict=True,
    ):
        np.testing.assert_allclose(hard, soft, rtol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_loss_of_soft_labels_is_pytorchs(smoothing):
    generator = np.random.default_rng(1)
    logits = generator.normal(size=(9, 7)).astype(np.float32)
    targets = generator.dirichlet(np.ones(7), 9).astype(np.float32)
    weights = generator.uniform(0.5, 2, 7).astype(np.float32)
    loss, weight = cross_entropy(logits, targets, jnp.asarray(weights), smoothing)
    expected = torch.nn.functional.cross_entropy(
        torch.tensor(logits), torch.tensor(targets), torch.tensor(weights), reduction="none",
        label_smoothing=smoothing,
    )  # fmt: skip
    np.testing.assert_allclose(loss, expected.numpy(), rtol=1e-5)
    np.testing.assert_allclose(weight, targets @ weights, rtol=1e-6)
