"""Patterns, groups by depth, and what a step does with frozen parameters and the network's own losses."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import mesh_steps
import numpy as np
import pytest
import tiny

from ferjax import models
from ferjax.augment import normalise
from ferjax.config import STAGE, defaults, override, set_stages, stages_of, validate
from ferjax.errors import UserError
from ferjax.layers.auxiliary import sow_loss
from ferjax.layers.linear import Linear
from ferjax.training import optimizers, stages, state, steps
from ferjax.training.plan import plan
from ferjax.training.stages import Rules

SIZE = (16, 16, 3)
BACKBONE = "^(conv1|bn1|conv2)/"


def staged(*values, **fields):
    config = tiny.tiny_configuration(**fields)
    set_stages(config, *values)
    return config


def test_one_stage_is_the_run_that_the_groups_tell():
    config = tiny.tiny_configuration(init__freeze=BACKBONE)
    (stage,) = stages_of(config)
    assert (stage.epochs, stage.learning_rate, stage.freeze) == (2.5, 0.05, BACKBONE)
    assert (stage.depth_decay, stage.cross_entropy, stage.auxiliary) == (1, 1, 1)


def test_stages_are_in_the_order_of_their_numbers(tiny_model):
    config = staged(*({"epochs": float(n)} for n in range(1, 12)))
    assert [stage.epochs for stage in stages_of(config)] == list(range(1, 12))
    validate(config)
    override(config, "stages.stage2.epochs", 7)
    assert stages_of(config)[1].epochs == 7.0


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("stages.stage1.epochs", 0.0, "stages.stage1.epochs is 0.0; it must be above 0"),
        ("stages.stage2.learning_rate", float("nan"), "stage2.learning_rate is nan; it must be above 0"),
        ("stages.stage1.depth_decay", 1.5, "stage1.depth_decay is 1.5; it must be above 0 and at most 1"),
        ("stages.stage1.auxiliary", -1.0, "stage1.auxiliary is -1.0; it must be at least 0"),
        ("stages.stage2.cross_entropy", 0.0, "the last stage, stages.stage2, has cross_entropy 0"),
        ("stages.stage1.freeze", "(", r"stages.stage1.freeze '\(' is no regular expression"),
        ("train.epochs", 3.0, "train.epochs is 3.0, but this config trains in stages.*stages.stage1.epochs"),
        ("schedule.learning_rate", 0.1, "schedule.learning_rate is 0.1, but this config trains in stages"),
        ("init.freeze", "fc", "init.freeze is 'fc', but this config trains in stages"),
    ],
)
def test_bad_stages(field, value, words):
    config = defaults()
    set_stages(config, {"epochs": 2}, {"epochs": 3})
    override(config, field, value)
    with pytest.raises(UserError, match=words):
        validate(config)


def test_bad_numbers_and_fields_of_stages():
    config = defaults()
    set_stages(config, {}, {})
    del config.stages["stage1"]
    with pytest.raises(UserError, match=r"has the numbers \[2\]; they must be 1, 2"):
        validate(config)
    config = defaults()
    set_stages(config, {"epoch": 2.0})
    with pytest.raises(UserError, match=r"no field 'stages.stage1.epoch'; did you mean stages.stage1.epochs"):
        validate(config)
    config = defaults()
    with config.unlocked():
        config.stages = {"first": dict(STAGE)}
    with pytest.raises(UserError, match=r"config\.stages has .first.; stages are called stage1"):
        validate(config)


def test_lengths_of_stages_in_steps():
    config = staged({"epochs": 1.0}, {"epochs": 0.5}, eval__every_epochs=0.4)
    lengths = plan(config, 160)  # ten steps an epoch
    assert (lengths.ends, lengths.starts, lengths.total) == ((10, 15), (0, 10), 15)
    assert [lengths.stage(step) for step in (0, 9, 10, 14, 15)] == [0, 0, 1, 1, 1]
    assert [step for step in range(1, 16) if lengths.evaluates(step)] == [4, 8, 10, 15]
    config.train.max_steps = 12
    assert plan(config, 160).ends == (10, 12)
    config.train.max_steps = 10
    assert plan(config, 160).ends == (10,)


def test_a_pattern_must_leave_something_and_match_something():
    config = tiny.tiny_configuration()
    for pattern, words in (("nothing", "matches no parameter, of .*conv1/"), ("", None), (".", "leaves no")):
        (stage,) = stages_of(tiny.tiny_configuration(init__freeze=pattern))
        if words is None:
            assert stages.rules(config, stage, tiny.TinyNet(), SIZE).frozen == frozenset()
            continue
        with pytest.raises(UserError, match=words):
            stages.rules(config, stage, tiny.TinyNet(), SIZE)


def test_groups_by_depth_follow_the_forward_pass():
    groups = stages.depth_groups(models.create("resemotenet"), (64, 64, 3))
    first = [sorted({path.split("/")[0] for path in group}) for group in groups]
    assert first == [
        ["bn1", "conv1"], ["bn2", "conv2"], ["bn3", "conv3"], ["se"], ["res_block1"], ["res_block2"],
        ["res_block3"], ["fc1"], ["fc2"], ["fc3"], ["fc4"],
    ]  # fmt: skip
    shapes = stages.parameter_shapes(models.create("resemotenet"), (64, 64, 3))
    assert sorted(path for group in groups for path in group) == sorted(shapes)


def test_rates_by_depth():
    config = staged({"depth_decay": 0.5})
    rates = stages.rules(config, stages_of(config)[0], tiny.TinyNet(), SIZE).rates
    assert rates["fc/kernel"] == 1
    assert rates["conv2/kernel"] == 0.5
    assert rates["conv1/kernel"] == rates["bn1/scale"] == 0.25


class OwnLosses(nn.Module):
    """Two losses of its own beside the logits."""

    num_classes: int = 7

    @nn.compact
    def __call__(self, images, train=False):
        x = images.reshape(images.shape[0], -1)[:, :6]
        x = Linear(4, name="body")(x)
        for name, value in (("small", jnp.square(x).sum(-1)), ("large", 100 + x.sum(-1))):
            self.sow("losses", name, value, reduce_fn=lambda old, new: new, init_fn=lambda: 0.0)
        return Linear(self.num_classes, name="fc")(x)


def one_step(model, rules, **fields):
    """States before and after, and the sums, of one step of plain SGD at rate 0.1."""
    plain = {"augment__flip": False, "augment__translate": 0.0, "optimizer__clip_norm": 0.0,
             "loss__label_smoothing": 0.0, "optimizer__ema_decay": 0.0, "optimizer__weight_decay": 0.0,
             "optimizer__momentum": 0.0, "model__dropout": 0.0}  # fmt: skip
    config = tiny.tiny_configuration(**{**plain, **fields})
    tx = optimizers.create(config.optimizer, lambda step: 0.1)
    first = state.create(model, tx, SIZE, 0, ema=config.optimizer.ema_decay > 0)
    step = steps.make_train_step(model, tx, lambda step: 0.1, config, None, jnp.float32, rules)
    rows = {name: jnp.asarray(value) for name, value in mesh_steps.source().take(range(16)).items()}
    after, sums = jax.jit(step)(first, rows)
    return first, rows, after, sums


@pytest.mark.slow
@pytest.mark.parametrize("parts", [1, 4])
def test_the_networks_own_losses_are_added_with_their_weight(parts):
    rules = Rules(cross_entropy=0.5, auxiliary=3.0, auxiliary_losses="^small$")
    first, rows, after, sums = one_step(OwnLosses(), rules, train__accumulate_steps=parts)

    def loss(params):
        logits, sown = OwnLosses().apply({"params": params}, normalise(rows["image"]), mutable=["losses"])
        chances = jax.nn.log_softmax(logits)[jnp.arange(16), rows["label"]]
        return -0.5 * chances.mean() + 3 * sown["losses"]["small"].mean(), sown["losses"]["small"]

    gradient, small = jax.grad(loss, has_aux=True)(first.params)
    tiny.assert_near(
        after.params, jax.tree.map(lambda p, g: p - 0.1 * g, first.params, gradient), rtol=1e-4, atol=1e-6
    )
    assert float(sums["auxiliary_loss"]) == pytest.approx(float(small.sum()), rel=1e-5)


class ClassLoss(nn.Module):
    """A loss that depends on the class."""

    num_classes: int = 7

    @nn.compact
    def __call__(self, images, train=False):
        x = Linear(self.num_classes, name="fc")(images.reshape(images.shape[0], -1)[:, :6])
        sow_loss(self, "by_class", jnp.square(x - jnp.arange(self.num_classes)))
        sow_loss(self, "whole", x.mean())
        return x


def test_a_loss_by_class_is_weighed_with_the_labels():
    sown = {
        "by_class": jnp.array([[1.0, 2, 3], [4, 5, 6]]),
        "each": jnp.array([10.0, 20]),
        "whole": jnp.float32(0.5),
    }
    total = stages.auxiliary_loss(sown, Rules(), jnp.array([2, 0]))
    np.testing.assert_allclose(total, [13.5, 24.5])
    mixed = jnp.array([[0.0, 0.5, 0.5], [1, 0, 0]])
    np.testing.assert_allclose(stages.auxiliary_loss(sown, Rules(), mixed), [13, 24.5])
    chosen = Rules(auxiliary_losses="by_class")
    np.testing.assert_allclose(stages.auxiliary_loss(sown, chosen, mixed), [2.5, 4])


@pytest.mark.slow
@pytest.mark.parametrize("mixed", [0.0, 1.0])
def test_a_step_tells_a_loss_its_labels_also_mixed_ones(mixed):
    _, rows, _, sums = one_step(ClassLoss(), Rules(auxiliary_losses="by_class"), augment__mixup=mixed)
    assert 0 < float(sums["auxiliary_loss"]) < np.inf
    if not mixed:
        variables = one_step(ClassLoss(), Rules())[0]
        logits = ClassLoss().apply({"params": variables.params}, normalise(rows["image"]))
        expected = jnp.square(logits[jnp.arange(16), rows["label"]] - rows["label"]).sum()
        assert float(sums["auxiliary_loss"]) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.slow
def test_without_weight_or_cross_entropy():
    first, _, after, sums = one_step(OwnLosses(), Rules(cross_entropy=0.0, auxiliary_losses="small"))
    tiny.assert_same(tiny.plain_tree(first.params["fc"]), tiny.plain_tree(after.params["fc"]))
    assert not np.array_equal(first.params["body"]["kernel"], after.params["body"]["kernel"])
    assert float(sums["loss"]) > 0  # the cross entropy is still told
    *_, sums = one_step(OwnLosses(), Rules(auxiliary=0.0))
    assert "auxiliary_loss" not in sums
    with pytest.raises(UserError, match="'tiny' matches none of the network's losses: small, large"):
        one_step(OwnLosses(), Rules(auxiliary_losses="tiny"))
    with pytest.raises(UserError, match="cross_entropy 0 and the network has no loss of its own"):
        one_step(tiny.TinyNet(), Rules(cross_entropy=0.0))


FROZEN = frozenset({"conv1/kernel", "conv1/bias", "bn1/scale", "bn1/bias"})


@pytest.mark.parametrize(
    "name", ["sgd", *(pytest.param(name, marks=pytest.mark.slow) for name in ("adamw", "lars", "lamb"))]
)
def test_what_is_frozen_stays_in_every_bit(name):
    first, _, after, _ = one_step(
        tiny.TinyNet(), Rules(frozen=FROZEN), optimizer__name=name, optimizer__weight_decay=0.1,
        optimizer__momentum=0.9, optimizer__ema_decay=0.9, optimizer__clip_norm=1.0,
    )  # fmt: skip
    before, now = tiny.plain_tree(first), tiny.plain_tree(after)
    same = {path for path in before if before[path].tobytes() == now[path].tobytes()}
    arrays = {path for path in before if path.endswith(("'kernel']", "'bias']", "'scale']"))}
    layers = ("'conv1'", "'bn1'")
    assert {path for path in arrays if any(layer in path for layer in layers)} <= same
    moved = {path for path in arrays if not any(layer in path for layer in layers)}
    assert moved
    assert not moved & same
    assert {path for path in before if "'mean'" in path or "'var'" in path} <= same


@pytest.mark.slow
def test_frozen_normalisation_may_still_watch_its_batches():
    rules = Rules(frozen=FROZEN, running_statistics=False)
    first, _, after, _ = one_step(tiny.TinyNet(), rules)
    assert not np.array_equal(first.batch_stats["bn1"]["mean"], after.batch_stats["bn1"]["mean"])
    tiny.assert_same(tiny.plain_tree(first.params["bn1"]), tiny.plain_tree(after.params["bn1"]))


@pytest.mark.slow
def test_a_frozen_body_costs_no_backward_pass():
    def flops(frozen):
        config = tiny.tiny_configuration()
        tx = optimizers.create(config.optimizer, lambda step: 0.1)
        like = jax.eval_shape(lambda: state.create(tiny.TinyNet(), tx, SIZE, 0, ema=False))
        step = steps.make_train_step(
            tiny.TinyNet(), tx, lambda step: 0.1, config, None, jnp.float32, Rules(frozen=frozen)
        )
        rows = {
            "image": jax.ShapeDtypeStruct((16, *SIZE), jnp.uint8),
            "label": jax.ShapeDtypeStruct((16,), int),
        }
        return jax.jit(step).lower(like, rows).compile().cost_analysis()["flops"]

    body = frozenset(path for path in stages.parameter_shapes(tiny.TinyNet(), SIZE) if "fc" not in path)
    assert flops(body) < 0.6 * flops(frozenset())


@pytest.mark.slow
def test_rates_multiply_the_updates():
    first, _, plain, _ = one_step(tiny.TinyNet(), Rules())
    *_, slowed, _ = one_step(tiny.TinyNet(), Rules(rates={"conv1/kernel": 0.25}))
    moved = plain.params["conv1"]["kernel"] - first.params["conv1"]["kernel"]
    np.testing.assert_allclose(
        slowed.params["conv1"]["kernel"] - first.params["conv1"]["kernel"], 0.25 * moved, rtol=1e-2, atol=1e-7
    )
    tiny.assert_near(slowed.params["fc"], plain.params["fc"], rtol=1e-6)
