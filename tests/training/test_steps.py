"""The pure steps: what one update does, and that evaluation does not see padded rows."""

import functools

import jax
import jax.numpy as jnp
import mesh_steps
import numpy as np
import pytest
import tiny
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_steps import PLAIN, batch, built, initial

from ferjax.augment import normalise
from ferjax.cluster.mesh import make_mesh
from ferjax.data.memory_source import MemorySource
from ferjax.training import steps
from ferjax.training.evaluate import evaluate_rows


@pytest.mark.slow
def test_one_step_is_sgd_on_the_mean_weighted_loss():
    weights = np.linspace(0.5, 3, 7).astype(np.float32)
    model, first, step = built(weights, **{**PLAIN, "loss__label_smoothing": 0.1}, optimizer__momentum=0.0)
    rows = batch()
    variables = {"params": first.params, "batch_stats": first.batch_stats}

    def logits_of(params):
        out, new = model.apply({**variables, "params": params}, normalise(rows["image"]), train=True,
                               mutable=["batch_stats"])  # fmt: skip
        return out, new["batch_stats"]

    def loss(params):
        logits, stats = logits_of(params)
        chances = jax.nn.log_softmax(logits)
        smooth = 0.9 * jax.nn.one_hot(rows["label"], 7) + 0.1 / 7
        return -(smooth * chances * weights).sum() / weights[rows["label"]].sum(), (logits, stats)

    gradient, (logits, stats) = jax.jit(jax.grad(loss, has_aux=True))(first.params)
    after, sums = step(first, rows)
    expected = jax.tree.map(lambda p, g: p - 0.1 * g, first.params, gradient)
    tiny.assert_near(after.params, expected, rtol=1e-4, atol=1e-6)
    tiny.assert_near(after.batch_stats, stats, rtol=1e-5, atol=1e-6)
    criterion = torch.nn.CrossEntropyLoss(torch.tensor(weights), label_smoothing=0.1)
    mean = criterion(torch.tensor(np.asarray(logits)), torch.tensor(np.asarray(rows["label"])).long())
    assert float(sums["loss"] / sums["weight"]) == pytest.approx(mean.item(), rel=1e-5)
    assert float(sums["weight"]) == pytest.approx(weights[rows["label"]].sum(), rel=1e-5)
    assert float(sums["count"]) == 16
    assert float(sums["correct"]) == (np.asarray(logits).argmax(-1) == rows["label"]).sum()
    assert {name: (x.shape, x.dtype) for name, x in sums.items()} == dict.fromkeys(
        ("loss", "weight", "correct", "count", "learning_rate"), ((), jnp.dtype("float32"))
    )


def test_the_rate_follows_the_schedule_and_the_plateaus_factor():
    _, first, step = built(**PLAIN)
    halved = first.replace(lr_scale=jnp.float32(0.5))
    whole_after, sums = step(first, batch())
    half_after, half_sums = step(halved, batch())
    assert float(sums["learning_rate"]) == pytest.approx(0.1)
    assert float(half_sums["learning_rate"]) == pytest.approx(0.05)
    moved = jax.tree.map(jnp.subtract, whole_after.params, first.params)
    half_moved = jax.tree.map(jnp.subtract, half_after.params, first.params)
    tiny.assert_near(half_moved, jax.tree.map(lambda x: x / 2, moved), rtol=1e-3, atol=1e-7)
    _, later = step(whole_after, batch())
    assert float(later["learning_rate"]) == pytest.approx(0.09)
    assert int(whole_after.step) == 1


def test_the_average_moves_a_little_with_each_step():
    _, current, step = built(**{**PLAIN, "optimizer__ema_decay": 0.75})
    expected = {"params": current.params, "batch_stats": current.batch_stats}
    for start in range(3):
        current, _ = step(current, batch(start=start))
        new = {"params": current.params, "batch_stats": current.batch_stats}
        expected = jax.tree.map(lambda old, x: 0.75 * old + 0.25 * x, expected, new)
        tiny.assert_near(current.ema, expected, rtol=1e-5, atol=1e-7)
    assert not np.allclose(current.ema["params"]["fc"]["kernel"], current.params["fc"]["kernel"])


@pytest.mark.slow
@pytest.mark.parametrize("parts", [2, 4, 16])
def test_parts_of_a_batch_add_up_to_it(parts):
    """Without batch statistics and randomness; the parts' weights differ, so a mean of means would not."""
    weights = np.array([0.1, 5, 1, 2, 0.3, 1, 4], np.float32)
    found = []
    for split in (1, parts):
        _, current, step = built(weights, norm=False, train__accumulate_steps=split, **PLAIN)
        for start in range(3):
            current, sums = step(current, batch(start=start))
        found.append((current, sums))
    tiny.assert_near(found[0][0].params, found[1][0].params, rtol=1e-5, atol=1e-7)
    tiny.assert_near(found[0][1], found[1][1], rtol=1e-5)


@pytest.mark.slow
def test_parts_have_their_own_dropout_and_update_the_statistics_in_turn():
    fields = {**PLAIN, "model__dropout": 0.5}
    rows = batch(8)
    double = {name: jnp.repeat(x, 2, axis=0) for name, x in rows.items()}  # row a and row a + 1 are equal
    _, first, step = built(train__accumulate_steps=2, **fields)
    two, _ = step(first, double)
    _, single, one_step = built(**fields)
    one, _ = one_step(single, rows)
    keep = 0.9
    batch_mean = (one.batch_stats["bn1"]["mean"] - keep * first.batch_stats["bn1"]["mean"]) / (1 - keep)
    twice = keep * one.batch_stats["bn1"]["mean"] + (1 - keep) * batch_mean
    np.testing.assert_allclose(two.batch_stats["bn1"]["mean"], twice, rtol=1e-4, atol=1e-6)
    assert not np.allclose(two.params["fc"]["kernel"], one.params["fc"]["kernel"], atol=1e-7)


@pytest.mark.slow
def test_randomness_is_of_the_step_and_the_key_alone():
    _, first, step = built(augment__flip=True, augment__translate=0.2, model__dropout=0.5)
    again, sums = step(first, batch())
    same, same_sums = step(first, batch())
    tiny.assert_same(tiny.plain_tree(again), tiny.plain_tree(same))
    assert float(sums["loss"]) == float(same_sums["loss"])
    for other in (first.replace(step=first.step + 1), first.replace(rng=jax.random.key(5))):
        assert float(step(other, batch())[1]["loss"]) != float(sums["loss"])
    tiny.assert_same(tiny.plain_tree(again.rng), tiny.plain_tree(first.rng))


def test_half_precision_keeps_its_state_in_float32_and_is_near():
    _, first, step = built(**PLAIN)
    _, _, half_step = built(dtype=jnp.bfloat16, **PLAIN)
    after, sums = step(first, batch())
    half, half_sums = half_step(first, batch())
    kept = jax.tree.leaves((half.params, half.batch_stats, half.opt_state))
    assert {x.dtype for x in kept if x.ndim} == {jnp.dtype("float32")}
    assert float(half_sums["loss"]) == pytest.approx(float(sums["loss"]), rel=0.02)
    tiny.assert_near(half.params, after.params, rtol=0.2, atol=0.02)


def test_the_step_reads_nothing_from_the_host():
    _, first, step = built()
    rows = batch()
    step(first, rows)
    with jax.transfer_guard("disallow"):
        step(first, rows)
        with pytest.raises(Exception, match="Disallowed host-to-device transfer"):
            step(first, {name: np.asarray(x) for name, x in rows.items()})


@functools.cache
def evaluation():
    """Variables, the jitted evaluation, and the logits of each example."""
    variables = initial(norm=True)
    eval_step = jax.jit(steps.make_eval_step(tiny.TinyNet(), 7, jnp.float32))
    images = jnp.asarray(mesh_steps.source().take(range(40))["image"])
    return variables, eval_step, tiny.TinyNet().apply(variables, normalise(images))


@settings(deadline=None, max_examples=25)
@given(count=st.integers(1, 40), batch_size=st.sampled_from([1, 3, 8, 16, 64]))
def test_padded_rows_change_nothing(count, batch_size):
    variables, eval_step, logits = evaluation()
    whole = mesh_steps.source()
    source = MemorySource(whole.take(range(count))["image"], whole.labels[:count],
                          label_names=whole.label_names, name="some", split="test")  # fmt: skip
    mesh = make_mesh(tiny.tiny_configuration().mesh)
    loss, confusion, *_ = evaluate_rows(eval_step, variables, source, batch_size, mesh)

    logits = np.asarray(logits, np.float64)[:count]
    chances = (logits - np.log(np.exp(logits).sum(-1, keepdims=True)))[np.arange(count), source.labels]
    expected = np.zeros((7, 7), int)
    np.add.at(expected, (source.labels, logits.argmax(-1)), 1)
    assert loss == pytest.approx(-float(chances.mean()), rel=1e-4)
    np.testing.assert_array_equal(confusion, expected)
    assert confusion.sum() == count


@pytest.mark.slow
def test_even_an_infinite_padded_row_changes_nothing():
    variables, eval_step, _ = evaluation()
    rows = {**batch(4), "mask": jnp.ones(4)}
    clean = eval_step(variables, {**rows, "mask": rows["mask"].at[3].set(0)})

    class Infinite(tiny.TinyNet):
        def __call__(self, images, *, train=False):
            return super().__call__(images, train=train).at[3].set(jnp.nan)

    padded = steps.make_eval_step(Infinite(), 7, jnp.float32)(
        variables, {**rows, "mask": rows["mask"].at[3].set(0)}
    )
    assert float(padded["loss"]) == pytest.approx(float(clean["loss"]), rel=1e-5)
    np.testing.assert_array_equal(padded["confusion"], clean["confusion"])
    assert float(padded["count"]) == 3
