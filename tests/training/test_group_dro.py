"""Group DRO: its sums against loops, a step written out, and groups that are not there."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny
from test_resume import assert_a_kill_changes_nothing
from tiny_steps import PLAIN, SCHEDULE, batch, initial

from ferjax.augment import normalise
from ferjax.config import defaults, validate
from ferjax.data.balance import epochs
from ferjax.data.memory_source import MemorySource
from ferjax.data.split_index import Key
from ferjax.data.training_groups import groups_of
from ferjax.errors import UserError
from ferjax.training import group_dro, optimizers, state, steps

RATE, OFFSETS = 0.5, np.array([0.1, 0.2, 0.3], np.float32)


def source(genders=(0, 0, 0, 1, 1, -1), labels=(0, 0, 1, 0, 1, 1)):
    images = np.zeros((len(labels), 4, 4, 1), np.uint8)
    key = Key(np.array(genders, np.int32), ("female", "male"))
    return MemorySource(
        images, labels, label_names=("a", "b"), name="mine", split="train", attributes={"gender": key}
    )


def test_losses_of_groups_and_their_weights():
    generator = np.random.default_rng(0)
    losses, weights = generator.random(20), generator.random(20)
    groups = generator.integers(0, 2, 20)  # the last of three is not in this batch
    means, present = group_dro.group_losses(*map(jnp.asarray, (losses, weights, groups)), 3)
    for group in range(2):
        own = groups == group
        assert float(means[group]) == pytest.approx(losses[own].sum() / weights[own].sum(), rel=1e-5)
    assert (float(means[2]), present.tolist()) == (0.0, [1, 1, 0])
    before = np.array([0.2, 0.3, 0.5])
    grown = before * np.exp(RATE * np.asarray(present) * (np.asarray(means) + OFFSETS))
    after = group_dro.reweighted(jnp.asarray(before), means, present, RATE, OFFSETS)
    np.testing.assert_allclose(after, grown / grown.sum(), rtol=1e-5)
    # Losses that no exponential holds.
    huge = group_dro.reweighted(jnp.asarray(before), jnp.array([1e6, 1.0, 0.0]), present, 1.0, OFFSETS)
    np.testing.assert_allclose(huge, [1, 0, 0], atol=1e-6)


def test_a_step_follows_the_gradient_of_the_weighted_group_losses():
    config = tiny.tiny_configuration(**{**PLAIN, "optimizer__momentum": 0.0})
    model, tx = tiny.TinyNet(dropout=0.0), optimizers.create(config.optimizer, SCHEDULE)
    codes = np.arange(40, dtype=np.int32) % 3
    rule = group_dro.GroupRule(("a", "b", "c"), codes, RATE, OFFSETS)
    first = state.TrainState(
        step=jnp.int32(0), params=initial(True)["params"], batch_stats=initial(True)["batch_stats"],
        opt_state=tx.init(initial(True)["params"]), ema=None, rng=jax.random.key(1),
        lr_scale=jnp.float32(1), group_weights=jnp.array([0.2, 0.2, 0.6]),
    )  # fmt: skip
    step = jax.jit(steps.make_train_step(model, tx, SCHEDULE, config, None, jnp.float32, groups=rule))
    rows, index = batch(), np.arange(16) + 5
    after, sums = step(first, {**rows, "index": jnp.asarray(index), "groups": jnp.asarray(codes)})

    def loss(params, weights):
        logits, _ = model.apply(
            {"params": params, "batch_stats": first.batch_stats}, normalise(rows["image"]),
            train=True, mutable=["batch_stats"],
        )  # fmt: skip
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, rows["label"])
        means = jnp.stack([losses[codes[index] == group].mean() for group in range(3)])
        return weights @ means, means

    slope = jax.jit(jax.grad(loss, has_aux=True))
    _, means = slope(first.params, jnp.ones(3))
    grown = np.array([0.2, 0.2, 0.6]) * np.exp(RATE * (np.asarray(means) + OFFSETS))
    np.testing.assert_allclose(after.group_weights, grown / grown.sum(), rtol=1e-4)
    gradient, _ = slope(first.params, after.group_weights)
    expected = jax.tree.map(lambda w, g: w - 0.1 * g, first.params, gradient)
    tiny.assert_near(after.params, expected, rtol=1e-3, atol=1e-5)
    assert float(sums["robust_loss"]) == pytest.approx(16 * float(after.group_weights @ means), rel=1e-4)
    assert "group_weights" not in sums


def test_groups_are_combinations_of_values():
    assert groups_of(source(), "gender").names == ("unknown", "female", "male")
    both = groups_of(source(), "gender, class")
    assert both.names == ("unknown × b", "female × a", "female × b", "male × a", "male × b")
    assert both.codes.tolist() == [1, 1, 2, 3, 4, 0]
    for text, told in (
        ("race", r"mine has no attribute 'race'; it has gender, class"),
        ("gender,gender", "different names"),
        ("gender,", "is not ATTRIBUTE"),
    ):
        with pytest.raises(UserError, match=told):
            groups_of(source(), text)
    with pytest.raises(UserError, match="makes 1 groups of mine train; it takes 2 to 1000"):
        groups_of(source(genders=[0] * 6), "gender")


def test_groups_are_shown_equally_often():
    members = groups_of(source(), "gender").codes
    for balance in ("oversample_groups", "draw_groups"):
        order = np.concatenate([epochs(source(), balance, "gender").order(0, epoch) for epoch in range(200)])
        shares = np.bincount(members[order]) / len(order)
        np.testing.assert_allclose(shares, 1 / 3, atol=0.04)


def test_the_rule_counts_the_groups():
    config = defaults()
    assert group_dro.rule_of(config, source()) is None
    config.loss.group_dro, config.loss.group_dro_adjustment, config.data.groups = 0.01, 2.0, "gender"
    rule = group_dro.rule_of(config, source())
    assert rule.rate == 0.01
    np.testing.assert_allclose(rule.offsets, 2 / np.sqrt([1, 3, 2]), rtol=1e-6)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"data.groups": "gender"}, "data.groups changes nothing alone"),
        ({"loss.group_dro": 0.01}, "loss.group_dro needs groups: set data.groups"),
        ({"data.balance": "draw_groups"}, "data.balance=draw_groups needs groups"),
        ({"loss.group_dro_adjustment": 1.0}, "changes nothing without loss.group_dro"),
        ({"loss.group_dro": 0.01, "data.groups": "a", "augment.mixup": 0.2}, r"switch augment\.mixup off"),
        ({"loss.group_dro": 0.01, "data.groups": "a", "train.accumulate_steps": 2}, "accumulate_steps to 1"),
        ({"data.groups": "a,a"}, "different names"),
    ],
)
def test_options_that_do_not_fit(fields, told):
    config = defaults()
    config.update_from_flattened_dict(fields)
    with pytest.raises(UserError, match=told):
        validate(config)


@pytest.mark.slow
@pytest.mark.relative  # as test_scn.py does, which keeps more
def test_a_killed_run_ends_as_one_that_was_not(tiny_run, shell, tmp_path):
    flags = ("--config.data.groups=class", "--config.loss.group_dro=0.1", "--config.train.epochs=2.0")
    whole = assert_a_kill_changes_nothing(tiny_run, shell, tmp_path, flags)
    weights = tiny.newest(whole)[0][".group_weights"]
    assert weights.sum() == pytest.approx(1, abs=1e-5)
    assert weights.std() > 0
    assert all("robust_loss" in row for row in tiny.rows(whole) if row["split"] == "train")
