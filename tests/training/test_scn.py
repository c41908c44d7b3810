"""The self-cure network: its losses against loops, a step written out, and a run that is killed."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import tiny
from hypothesis import given, settings
from hypothesis import strategies as st
from test_resume import assert_a_kill_changes_nothing
from tiny_steps import PLAIN, SCHEDULE, batch, initial

from ferjax import models
from ferjax.augment import normalise
from ferjax.config import defaults, validate
from ferjax.errors import UserError
from ferjax.models.observed import classifier_of
from ferjax.registry import NETWORKS
from ferjax.training import head, optimizers, scn, setup, state, steps
from ferjax.training.stages import parameter_shapes

CURED = {**PLAIN, "optimizer__momentum": 0.0, "loss__scn": 0.5, "loss__scn_margin": 0.4}
SIZE, EXAMPLES = (16, 16, 3), 40


def slow_rank_loss(weights, ratio, margin):
    ordered = sorted(weights, reverse=True)
    upper = int(len(ordered) * ratio)
    return max(0, margin - (np.mean(ordered[:upper]) - np.mean(ordered[upper:])))


@given(
    weights=st.lists(st.floats(0, 1), min_size=4, max_size=40),
    ratio=st.floats(0.3, 0.9),
    margin=st.floats(0, 1),
)
@settings(deadline=None, max_examples=25)
def test_the_rank_loss_is_the_papers(weights, ratio, margin):
    found = scn.rank_loss(jnp.asarray(weights, jnp.float32)[:, None], ratio, margin)
    np.testing.assert_allclose(found, slow_rank_loss(weights, ratio, margin), atol=1e-5)


def test_labels_are_replaced_where_another_class_is_more_likely_by_the_margin():
    generator = np.random.default_rng(0)
    logits, labels = 2 * generator.normal(size=(50, 4)), generator.integers(0, 4, 50)
    expected = []
    for row, label in zip(logits, labels, strict=True):
        chances = np.exp(row) / np.exp(row).sum()
        expected.append(chances.argmax() if chances.max() - chances[label] > 0.2 else -1)
    found = scn.proposals(jnp.asarray(logits), jnp.asarray(labels), 0.2)
    np.testing.assert_array_equal(found, expected)
    assert 0 < np.sum(np.array(expected) >= 0) < 50


def test_replaced_labels_go_to_the_examples_of_the_batch():
    labels = jnp.array([-1, 3, -1, -1, 0])
    index, proposed = jnp.array([4, 0, 2, 0, 1]), jnp.array([2, 1, -1, 5, -1])
    cure, begun = scn.Cure("fc", 16, 5, relabels_from=3), jnp.int32(3)
    after = scn.relabelled(cure, labels, begun, index, proposed)
    np.testing.assert_array_equal(after, [5, 3, -1, -1, 2])  # of two proposals the larger, whatever the order
    np.testing.assert_array_equal(scn.relabelled(cure, labels, begun, index[::-1], proposed[::-1]), after)
    np.testing.assert_array_equal(scn.relabelled(cure, labels, begun - 1, index, proposed), labels)
    given = jnp.array([6, 6, 6, 6, 6])
    np.testing.assert_array_equal(scn.current(after, index, given), [2, 5, 6, 5, 3])


def cured(relabels_from, **fields):
    """The network, a first state, and a jitted step."""
    config = tiny.tiny_configuration(**{**CURED, **fields})
    model = tiny.TinyNet(dropout=0.0)
    tx = optimizers.create(config.optimizer, SCHEDULE)
    cure = scn.Cure("fc", 16, EXAMPLES, relabels_from)
    first = state.TrainState(
        step=jnp.int32(0), params=initial(True)["params"], batch_stats=initial(True)["batch_stats"],
        opt_state=tx.init(initial(True)["params"]), ema=None, rng=jax.random.key(1),
        lr_scale=jnp.float32(1), head=head.initial(cure, tx, jax.random.key(7)),
    )  # fmt: skip
    step = steps.make_train_step(model, tx, SCHEDULE, config, None, jnp.float32, head=cure)
    return model, first, jax.jit(step)


def test_a_step_weighs_the_logits_ranks_the_batch_and_relabels():
    model, first, step = cured(relabels_from=1, loss__scn_relabel_margin=0.01)
    rows = {**batch(), "index": jnp.arange(16) + 3}

    def loss(weights, labels):
        params, own = weights
        features = []

        def keep(call, inputs, others, context):
            if context.module.path == ("fc",):
                features.append(inputs[0])
            return call(*inputs, **others)

        with nn.intercept_methods(keep):
            logits, _ = model.apply(
                {"params": params, "batch_stats": first.batch_stats}, normalise(rows["image"]),
                train=True, mutable=["batch_stats"],
            )  # fmt: skip
        alpha = jax.nn.sigmoid(features[0] @ own["kernel"] + own["bias"])
        ordered = jnp.sort(alpha[:, 0])
        rank = 0.4 - (ordered[5:].mean() - ordered[:5].mean())  # 0.7 of 16 are 11
        losses = optax.softmax_cross_entropy_with_integer_labels(alpha * logits, labels)
        return losses.mean() + 0.5 * rank, (alpha * logits, rank)

    weights = first.params, first.head["params"]
    gradient, (logits, rank) = jax.jit(jax.grad(loss, has_aux=True))(weights, rows["label"])
    after, sums = step(first, rows)
    expected = jax.tree.map(lambda w, g: w - 0.1 * g, weights, gradient)
    tiny.assert_near((after.params, after.head["params"]), expected, rtol=1e-3, atol=1e-5)
    assert float(sums["rank_loss"]) == pytest.approx(16 * float(rank), rel=1e-3)
    assert rank > 0
    # Its first steps leave the labels; from then on they are replaced, and the next steps train on those.
    assert set(after.head["labels"].tolist()) == {-1}
    later, sums = step(first.replace(step=jnp.int32(1)), rows)
    proposed = np.asarray(scn.proposals(logits, rows["label"], 0.01))
    np.testing.assert_array_equal(later.head["labels"][3:19], proposed)
    assert float(sums["relabelled"]) == (proposed >= 0).sum() > 0
    _, again = step(
        first.replace(step=jnp.int32(1), head={**first.head, "labels": later.head["labels"]}), rows
    )
    assert float(again["correct"]) > float(sums["correct"])


def test_networks_and_options_that_do_not_fit():
    config = defaults()
    config.loss.scn = 1.0
    config.data.image_size = 48
    config.model.name = "mini_xception"
    with pytest.raises(UserError, match=r"loss\.scn needs a network whose logits are the result of a linear"):
        setup.check_methods(config, setup.build_model(config, num_classes=2))
    config.model.name = "small_resnet"
    setup.check_methods(config, setup.build_model(config, num_classes=2))
    validate(config)
    for field in ("mixup", "cutmix"):
        config.augment[field] = 0.5
        with pytest.raises(UserError, match=rf"one class each: switch augment\.{field} off"):
            validate(config)
        config.augment[field] = 0.0
    config.train.accumulate_steps = 2
    with pytest.raises(UserError, match="ranks the examples of a whole batch"):
        validate(config)


@pytest.mark.relative
@pytest.mark.parametrize("name", models.names())
def test_networks_that_end_in_a_linear_layer(name):
    smallest = NETWORKS.find(name).facts.smallest
    size = -(-48 // smallest) * smallest
    model, shape = models.create(name, num_classes=2), (size, size, 3)
    # Mini-Xceptions average maps of the classes; the other two normalise the logits.
    if "xception" in name or name in ("dan", "mobilefacenet"):
        with pytest.raises(UserError, match="linear layer"):
            classifier_of(model, shape, "a test")
    else:
        kernel = parameter_shapes(model, shape)[f"{classifier_of(model, shape, 'a test')}/kernel"]
        assert kernel[-1] == 2


@pytest.mark.slow
@pytest.mark.parametrize("cache", [pytest.param("memory", marks=pytest.mark.relative), "device"])
def test_a_killed_run_ends_as_one_that_was_not(tiny_run, shell, tmp_path, cache):
    flags = (
        "--config.loss.scn=1.0", "--config.loss.scn_relabel_epoch=1.3",
        "--config.loss.scn_relabel_margin=0.0", "--config.loss.scn_margin=0.5",
        "--config.train.epochs=2.0", f"--config.data.cache={cache}",
    )  # fmt: skip
    whole = assert_a_kill_changes_nothing(tiny_run, shell, tmp_path, flags)
    counts = [row["relabelled"] for row in tiny.rows(whole) if row["split"] == "train"]
    assert counts[0] == 0 < counts[-1]
    assert (tiny.newest(whole)[0][".head['labels']"] >= 0).sum() == counts[-1]
