"""Relative uncertainty learning: its head against loops, a step written out, and a run that is killed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from test_resume import assert_a_kill_changes_nothing
from tiny_steps import PLAIN, SCHEDULE, batch, initial

from ferjax.augment import normalise
from ferjax.config import defaults, validate
from ferjax.errors import UserError
from ferjax.models.observed import observed
from ferjax.training import head, optimizers, rul, setup, state, steps


def made_up(features=16, size=5):
    """A head whose normalisation does something."""
    own = rul.initial(rul.Uncertainty("fc", features, size), jax.random.key(7))
    return {**own, "scale": jnp.linspace(0.5, 1.5, size), "shift": jnp.linspace(-1, 1, size)}


def test_the_uncertainty_is_the_mean_variance():
    own, features = made_up(), np.random.default_rng(0).normal(2, 3, (6, 16))
    x = (features - features.mean(0)) / np.sqrt(features.var(0) + 2e-5)
    x = x @ np.asarray(own["kernel"]) + np.asarray(own["bias"])
    x = (x - x.mean(0)) / np.sqrt(x.var(0) + 2e-5)
    expected = np.exp(x * np.asarray(own["scale"]) + np.asarray(own["shift"])).mean(1)

    @jax.jit
    def both(own, features):
        return [rul.uncertainty(own, features, dropout, jax.random.key(0)) for dropout in (0.0, 0.4)]

    found, hidden = both(own, features)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert not np.allclose(hidden, expected, rtol=0.01)


def test_blended_logits_are_those_of_blended_features():
    """The paper adds features; a linear layer's weights of one in total make it the same."""
    generator = np.random.default_rng(0)
    features, uncertainty = generator.normal(size=(5, 16)), generator.uniform(0.1, 2, 5)
    kernel, bias, partner = (
        generator.normal(size=(16, 7)),
        generator.normal(size=7),
        np.array([3, 0, 2, 4, 1]),
    )
    together = uncertainty + uncertainty[partner]
    mixed = [  # as the paper has it
        (uncertainty[i] * features[i] + uncertainty[partner[i]] * features[partner[i]]) / together[i]
        for i in range(5)
    ]
    found = jax.jit(rul.blended)(features @ kernel + bias, uncertainty, partner)
    np.testing.assert_allclose(found, np.array(mixed) @ kernel + bias, rtol=1e-4, atol=1e-5)


def test_a_step_learns_both_labels_of_each_pair():
    config = tiny.tiny_configuration(
        **{**PLAIN, "optimizer__momentum": 0.0}, loss__rul=True, loss__rul_dropout=0.0
    )
    weights = np.linspace(0.5, 2, 7, dtype=np.float32)
    counted = jnp.asarray(weights)
    model, method = tiny.TinyNet(dropout=0.0), rul.Uncertainty("fc", 16, 5)
    tx = optimizers.create(config.optimizer, SCHEDULE)
    own = made_up()
    first = state.TrainState(
        step=jnp.int32(0), params=initial(True)["params"], batch_stats=initial(True)["batch_stats"],
        opt_state=tx.init(initial(True)["params"]), ema=None, rng=jax.random.key(1),
        lr_scale=jnp.float32(1), head={"params": own, "opt_state": tx.init(own)},
    )  # fmt: skip
    step = jax.jit(steps.make_train_step(model, tx, SCHEDULE, config, weights, jnp.float32, head=method))
    rows = batch()
    # The keys of the step's dropout, then those of the method.
    key = jax.random.fold_in(jax.random.split(jax.random.fold_in(first.rng, 0))[1], 2)
    partner = jax.random.permutation(jax.random.split(key)[1], 16)
    assert (partner != jnp.arange(16)).sum() > 8

    def loss(both):
        params, own = both
        (logits, _), seen = observed(model.apply, classifier="fc")(
            {"params": params, "batch_stats": first.batch_stats}, normalise(rows["image"]),
            train=True, mutable=["batch_stats"],
        )  # fmt: skip
        uncertainty = rul.uncertainty(own, seen.features, 0.0, key)[:, None]
        both, other = uncertainty + uncertainty[partner], seen.features[partner]
        mixed = (uncertainty * seen.features + uncertainty[partner] * other) / both
        chances = jax.nn.log_softmax(mixed @ params["fc"]["kernel"] + params["fc"]["bias"])
        total = 0
        for labels in (rows["label"], rows["label"][partner]):
            total += 0.5 * (-jnp.take_along_axis(chances, labels[:, None], 1)[:, 0] * counted[labels]).sum()
        return total / counted[rows["label"]].sum(), (logits.argmax(-1) == rows["label"]).sum()

    both = first.params, own
    (value, right), gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))(both)
    after, sums = step(first, rows)
    expected = jax.tree.map(lambda w, g: w - 0.1 * g, both, gradient)
    tiny.assert_near((after.params, after.head["params"]), expected, rtol=1e-3, atol=1e-5)
    assert max(jnp.abs(leaf).max() for leaf in jax.tree.leaves(gradient[1])) > 1e-3
    assert float(sums["loss"] / sums["weight"]) == pytest.approx(float(value), rel=1e-4)
    assert float(sums["correct"]) == right  # of single images, not of pairs


def test_what_does_not_fit():
    config = defaults()
    config.loss.rul = True
    config.data.image_size = 48
    config.model.name = "mini_xception"
    with pytest.raises(UserError, match=r"loss\.rul needs a network whose logits are the result of a linear"):
        setup.check_methods(config, setup.build_model(config, num_classes=2))
    config.model.name = "small_resnet"
    model = setup.build_model(config, num_classes=2)
    setup.check_methods(config, model)
    assert head.head_of(config, model, (48, 48, 3), 9, 1.0) == rul.Uncertainty("fc", 256, 64)
    validate(config)
    config.train.update(batch_size=8, accumulate_steps=8)
    with pytest.raises(UserError, match=r"set train\.batch_size above train\.accumulate_steps"):
        validate(config)
    config.train.accumulate_steps = 4
    validate(config)
    config.loss.scn, config.train.accumulate_steps = 1.0, 1
    with pytest.raises(UserError, match="each put a head on the classifier's input: switch one off"):
        validate(config)


@pytest.mark.slow
@pytest.mark.relative  # its head is kept as that of the self-cure method is
def test_a_killed_run_ends_as_one_that_was_not(tiny_run, shell, tmp_path):
    flags = (
        "--config.loss.rul=true", "--config.optimizer.sam_rho=0.05", "--config.augment.mixup=0.2",
        "--config.train.epochs=2.0", "--config.data.cache=device",
    )  # fmt: skip
    assert_a_kill_changes_nothing(tiny_run, shell, tmp_path, flags)
