"""Measured robustness of the tiny network with random weights, and of networks whose answer is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ferjax.errors import UserError
from ferjax.inference.open_run import open_network
from ferjax.robustness import attacks
from ferjax.robustness.corruptions import CORRUPTIONS
from ferjax.robustness.measure import Images, chosen_images, measure, relative


@pytest.fixture(scope="module")
def network(colour_run):
    return open_network(colour_run)


@pytest.fixture(scope="module")
def images(network):
    rng = np.random.default_rng(0)
    size = network.input_size
    return Images(rng.integers(0, 256, (7, size, size, 3), np.uint8), np.arange(7) % 7, np.arange(7) * 3)


@pytest.fixture(scope="module")
def measured(network, images):
    return measure(network, images, attacked=3)


def test_every_kind_has_five_numbers_and_their_mean(measured):
    figures = measured.figures
    assert list(figures["corruptions"]) == list(CORRUPTIONS)
    for row in figures["corruptions"].values():
        assert len(row["accuracy"]) == len(row["mean_class_accuracy"]) == len(row["strengths"]) == 5
        assert row["error"] == pytest.approx(1 - np.mean(row["accuracy"]))
    errors = [row["error"] for row in figures["corruptions"].values()]
    assert figures["mean_error"] == pytest.approx(np.mean(errors))
    assert figures["clean"]["interval"][0] <= figures["clean"]["accuracy"] <= figures["clean"]["interval"][1]
    assert set(measured.examples) == set(CORRUPTIONS)
    assert len({row.row for row in measured.broken}) == len(measured.broken)
    assert all(row.predicted != row.actual for row in measured.broken)


def test_the_same_seed_measures_the_same_and_the_batch_changes_nothing(network, images, measured):
    network.config.eval.batch_size = 3
    again = measure(network, images, kinds=("hand", "blur"), attacked=0).figures["corruptions"]
    network.config.eval.batch_size = 7
    assert again == {name: measured.figures["corruptions"][name] for name in ("hand", "blur")}


def test_more_noise_never_helps_the_attacked(measured):
    attacked = measured.figures["attacks"]
    assert attacked["images"] == 3
    for name in ("fgsm", "pgd"):
        assert len(attacked[name]) == 5
        assert max(attacked[name]) <= attacked["clean"]


def test_a_relative_error_is_a_share_of_the_baselines(measured):
    same = relative(measured.figures, measured.figures)
    assert same["mean"] == 1
    perfect = {"corruptions": {name: {"error": 0.0} for name in CORRUPTIONS}}
    assert relative(measured.figures, perfect) == {"corruptions": dict.fromkeys(CORRUPTIONS), "mean": None}


def test_an_unknown_kind_is_told(network, images):
    with pytest.raises(UserError, match="there is no corruption 'blurr'; the nearest are blur"):
        measure(network, images, kinds=("blurr",))


def linear(variables, images):
    """Two classes by the sum of the pixels."""
    total = (images * variables).sum((1, 2, 3))
    return jnp.stack([total, -total], -1)


def test_attacks_keep_the_bound_and_move_a_linear_network_as_far_as_it_allows():
    weights = jnp.asarray(np.random.default_rng(0).normal(size=(4, 4, 1))) / 1000
    images = jnp.full((2, 4, 4, 1), 120.0)
    labels = jnp.array([0, 1])
    expected = images - 3 * jnp.sign(weights) * jnp.array([1, -1])[:, None, None, None]
    np.testing.assert_allclose(attacks.fgsm(linear, weights, images, labels, 3.0), expected)
    stronger = attacks.pgd(linear, weights, images, labels, 3.0, jax.random.key(0), steps=10)
    np.testing.assert_allclose(stronger, expected, atol=1e-5)
    edge = attacks.fgsm(linear, weights, images * 0, labels, 3.0)
    assert (edge >= 0).all()


def test_a_set_of_other_classes_is_refused(network, images):
    class Other:
        name, label_names = "folder/mine", ("calm", "cross")

    with pytest.raises(UserError, match="folder/mine has the classes calm, cross, and the network angry"):
        chosen_images(Other(), network, 0)
