"""Distillation: the published loss, a step against one written out, and teachers that do not fit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from tiny_steps import PLAIN, batch, built
from untrained import LABELS, write_run

from ferjax.augment import normalise
from ferjax.augment.tone import luma
from ferjax.cluster.mesh import make_mesh
from ferjax.errors import UserError
from ferjax.runs import weights
from ferjax.training.distillation import (
    Teacher,
    attention_loss,
    attention_map,
    check_same,
    distillation_loss,
    facts,
)
from ferjax.training.teachers import open_teachers

TAUGHT = {**PLAIN, "optimizer__momentum": 0.0, "distill__from": "x", "distill__weight": 0.25}


def teacher(seed, order=range(7), size=16, grey=False):
    model = tiny.TinyNet()
    variables = jax.jit(model.init)(jax.random.key(seed), jnp.zeros((1, 16, 16, 3)))
    variables = jax.tree.map(lambda leaf: 3 * leaf, variables)
    return Teacher(str(seed), model, variables, tuple(order), size, grey, checksum=seed)


def taught(teachers, **fields):
    """A step, and a batch that holds the teachers' variables."""
    model, first, step = built(teachers=teachers, **{**TAUGHT, **fields})
    return model, first, step, {**batch(), "teachers": [each.variables for each in teachers]}


def test_the_loss_is_that_of_the_paper():
    generator = np.random.default_rng(0)
    logits, others = generator.normal(size=(2, 5, 4)) * 3
    temperature = 2.5
    expected = []
    for row, other in zip(logits, others, strict=True):
        q, p = (np.exp(x / temperature) / np.exp(x / temperature).sum() for x in (row, other))
        expected.append(temperature**2 * sum(p[k] * np.log(p[k] / q[k]) for k in range(4)))
    targets = jax.nn.softmax(jnp.asarray(others) / temperature)
    found = distillation_loss(jnp.asarray(logits), targets, temperature)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    np.testing.assert_allclose(distillation_loss(jnp.asarray(others), targets, temperature), 0, atol=1e-5)
    certain = distillation_loss(jnp.zeros((1, 2)), jnp.array([[1.0, 0.0]]), 1.0)  # 0 · log 0 is 0
    np.testing.assert_allclose(certain, np.log(2), rtol=1e-6)


def test_at_a_high_temperature_the_gradient_is_that_of_the_logits_difference():
    """Hinton et al., equation 4: (z − v) / K for logits of mean zero, T² included."""
    z, v = jnp.array([[1.0, -2.0, 1.0]]), jnp.array([[0.5, 0.5, -1.0]])
    gradient = jax.grad(lambda z: distillation_loss(z, jax.nn.softmax(v / 100), 100.0).sum())(z)
    np.testing.assert_allclose(gradient, (z - v) / 3, rtol=0.05)


def test_a_step_learns_from_the_mean_of_what_the_teachers_say():
    teachers = (teacher(5), teacher(6, order=(1, 0, 2, 3, 4, 6, 5), size=24, grey=True))
    model, first, step, rows = taught(teachers)
    images = rows["image"].astype(jnp.float32)
    larger = jax.image.resize(luma(images), (16, 24, 24, 1), "linear")
    says = [
        jax.nn.softmax(model.apply(teachers[0].variables, normalise(images)) / 4),
        jax.nn.softmax(model.apply(teachers[1].variables, normalise(larger)) / 4)[:, [1, 0, 2, 3, 4, 6, 5]],
    ]
    target = (says[0] + says[1]) / 2

    def loss(params):
        logits, _ = model.apply(
            {"params": params, "batch_stats": first.batch_stats}, normalise(images), train=True,
            mutable=["batch_stats"],
        )  # fmt: skip
        chances, soft = jax.nn.log_softmax(logits), jax.nn.log_softmax(logits / 4)
        entropy = -jnp.take_along_axis(chances, rows["label"][:, None], 1).mean()
        apart = 16 * (target * (jnp.log(target) - soft)).sum(-1).mean()
        return 0.75 * entropy + 0.25 * apart, apart

    gradient, apart = jax.jit(jax.grad(loss, has_aux=True))(first.params)
    after, sums = step(first, rows)
    expected = jax.tree.map(lambda p, g: p - 0.1 * g, first.params, gradient)
    tiny.assert_near(after.params, expected, rtol=1e-3, atol=1e-5)
    assert float(sums["distillation_loss"]) == pytest.approx(16 * float(apart), rel=1e-3)


def test_attention_is_where_maps_are_strong():
    generator = np.random.default_rng(0)
    maps, others = generator.normal(size=(2, 3, 4, 5, 6))
    expected = []
    for own, other in zip(maps, others, strict=True):
        q, t = ((x**2).sum(-1).ravel() for x in (own, other))
        expected.append((((q / np.linalg.norm(q)) - (t / np.linalg.norm(t))) ** 2).sum())
    found = attention_loss(jnp.asarray(maps), attention_map(jnp.asarray(others)))
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    np.testing.assert_allclose(attention_loss(jnp.asarray(maps), 3 * attention_map(maps)), 0, atol=1e-6)


@pytest.mark.slow
def test_parts_of_a_batch_are_taught_alike():
    found = []
    for parts in (1, 4):
        _, current, step, rows = taught(
            (teacher(5), teacher(6, size=24)), norm=False, train__accumulate_steps=parts,
            distill__attention=10.0,
        )  # fmt: skip
        current, sums = step(current, rows)
        assert float(sums["attention_loss"]) > 0
        found.append((current.params, sums))
    tiny.assert_near(*found, rtol=1e-4, atol=1e-6)


@pytest.fixture
def opened(tiny_model, tmp_path):
    """Opens teachers for some classes."""
    write_run(tmp_path / "teacher", grey=True)

    def opens(path, label_names=LABELS):
        config = tiny.tiny_configuration(distill__from=path)
        return open_teachers(config, label_names, make_mesh(config.mesh))

    return opens


def test_teachers_are_opened_and_their_classes_put_in_order(opened, tmp_path):
    turned = ("neutral", "happy", "angry", "fear", "sad", "joyless", "disgust")
    path = f"{tmp_path / 'teacher'}"
    first, second = opened(f"{path}, {path}", ("neutral", "joy", *LABELS[:3], "sadness", "surprised"))
    assert first.order == (6, 3, 0, 1, 2, 4, 5)
    assert (first.grey, first.image_size, first.checksum) == (True, 16, second.checksum)
    with pytest.raises(UserError, match="it must have the classes of the data set: neutral, happy") as told:
        opened(path, turned)
    assert len(str(told.value)) <= 400
    with pytest.raises(UserError, match=r"does not exist; name a run's workdir or a bundle"):
        opened(f"{path}2")
    assert opened("") == ()


def test_a_shipped_network_teaches_by_its_name(opened):
    (teacher,) = opened("faces")
    assert teacher.path == "faces"
    assert sorted(teacher.order) == list(range(7))


def test_a_run_goes_on_with_the_teachers_that_it_had():
    teachers = (teacher(5), teacher(6))
    check_same({"teachers": facts(teachers)}, teachers)
    other = teachers[1]._replace(checksum=99)
    with pytest.raises(UserError, match="the weights of 6 are not those that this run has learnt from"):
        check_same({"teachers": facts(teachers)}, (teachers[0], other))


@pytest.mark.slow
def test_a_run_is_taught_by_another(tiny_run, never_killed, tmp_path):
    flags = (f"--config.distill.from={never_killed}", "--config.train.max_steps=4")
    for steps in (1, 2):  # several steps a call hold the teachers once
        workdir = tmp_path / str(steps)
        tiny_run.run(workdir, *flags, f"--config.train.steps_per_call={steps}")
        losses = [row["distillation_loss"] for row in tiny.rows(workdir) if row["split"] == "train"]
        assert min(losses) > 0
        assert weights.load_meta(workdir)["teachers"][0]["from"] == str(never_killed)
