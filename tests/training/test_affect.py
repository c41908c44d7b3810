"""The head for valence and arousal: its losses, what it learns, and what it leaves alone."""

import affect_set
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from ferjax import data, models
from ferjax.config import validate
from ferjax.errors import UserError
from ferjax.inference.open_run import open_network
from ferjax.inference.score_run import evaluate_run
from ferjax.runs import predictions
from ferjax.runs.result import read_result
from ferjax.scores import affect as scores
from ferjax.training import affect, array_outcomes, initial_weights
from ferjax.training.loop import train_and_evaluate
from ferjax.training.paths import by_path
from ferjax.training.predict_step import make_answer_step
from ferjax.training.splits import load_split

pytestmark = pytest.mark.usefixtures("tiny_registered")
FIELDS = {
    "data__name": "folder/affect", "affect__head": "beside", "augment__flip": False,
    "augment__translate": 0.0, "train__log_every": 35,
    "model__dropout": 0.0, "schedule__name": "constant",
    "train__epochs": 30.0, "eval__every_epochs": 15.0, "checkpoint__every_steps": 0,
    "schedule__learning_rate": 0.1, "affect__loss": "both", "data__cache": "device",
}  # fmt: skip
SPLITS = ("train", "validation")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return affect_set.build(tmp_path_factory.mktemp("affect"))


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    """A finished run that has learnt classes, valence and arousal."""
    workdir = tmp_path_factory.mktemp("affect_run") / "run"
    train_and_evaluate(tiny.tiny_configuration(**FIELDS, data__dir=str(folder)), workdir)
    return workdir


@pytest.fixture(scope="module")
def network(run):
    return open_network(run)


# ---------------------------------------------------------------- losses


@pytest.fixture(scope="module")
def rows():
    """What is said and what is right, with unknown values."""
    rng = np.random.default_rng(0)
    actual = rng.uniform(-1, 1, (16, 2)).astype(np.float32)
    actual[3], actual[5, 1] = np.nan, np.nan
    return rng.uniform(-1, 1, (16, 2)).astype(np.float32), actual


def test_losses_are_the_plain_formulas_over_known_values(rows):
    found, actual = rows
    known = ~np.isnan(actual)
    squared, count = affect.squared_error(found, actual)
    assert count == known.sum() == 29
    np.testing.assert_allclose(squared, np.square(found - actual)[known].sum(), rtol=1e-5)
    mse = affect.affect_loss(found, actual, "mse", 29)
    np.testing.assert_allclose(mse, np.square(found - actual)[known].mean(), rtol=1e-5)
    ccc = affect.affect_loss(found, actual, "ccc", 29)
    np.testing.assert_allclose(ccc, 1 - scores.mean_ccc(found, actual), rtol=1e-5)
    np.testing.assert_allclose(affect.affect_loss(found, actual, "both", 29), mse + ccc, rtol=1e-5)


def test_the_gradient_is_finite_and_leaves_unknown_values_alone(rows):
    found, actual = map(jnp.asarray, rows)
    slope = jax.jit(jax.grad(lambda x, actual: affect.affect_loss(x, actual, "both", 29)))
    gradient = slope(found, actual)
    assert jnp.isfinite(gradient).all()
    assert ((gradient == 0) == jnp.isnan(actual)).all()
    # Nothing is known, and a batch of constants.
    nothing = jnp.full_like(actual, jnp.nan)
    assert (slope(found, nothing) == 0).all()
    assert jnp.isfinite(slope(jnp.zeros((16, 2)), jnp.zeros((16, 2)))).all()


# ---------------------------------------------------------------- runs


def test_it_learns_what_the_pictures_show(run):
    result = read_result(run / "result.json")
    measured = result["affect"]
    assert measured["mean_ccc"] > 0.7
    assert measured["valence"]["ccc"] > 0.7
    assert (measured["valence"]["examples"], measured["arousal"]["examples"]) == (26, 24)  # of 28
    low, high = measured["arousal"]["intervals"]["ccc"]
    assert low < measured["arousal"]["ccc"] < high
    kept = predictions.read(predictions.place(run, "folder/affect", "test", "npz"))
    assert scores.measure(kept.affect, kept.actual_affect)["mean_ccc"] == measured["mean_ccc"]
    logged = {
        split: [row for row in tiny.rows(run) if row["split"] == split] for split in ("train", "validation")
    }
    assert logged["validation"][-1]["valence_ccc"] > 0.7
    assert logged["train"][-1]["affect_loss"] < logged["train"][0]["affect_loss"] / 3


def test_evaluate_gives_the_same_scores_and_files(run):
    again = evaluate_run(run)
    assert again["affect"] == read_result(run / "result.json")["affect"]
    lines = (run / "evaluations" / "folder-affect-test" / "predict.csv").read_text().splitlines()
    assert lines[0].endswith(",surprise,neutral,valence,arousal")
    truth = (run / "evaluations" / "folder-affect-test" / "ground_truth.csv").read_text().splitlines()
    assert truth[0] == "example,label,valence,arousal"
    assert sum(line.endswith(",") for line in truth[1:]) == 4


def test_whoever_wants_classes_alone_sees_the_plain_network(network):
    """The parameters of the head stand beside those of the network, which does not read them."""
    assert set(network.variables["params"]) == {"conv1", "bn1", "conv2", "fc", "affect"}
    images, apply = jnp.zeros((2, 16, 16, 3)), jax.jit(network.model.apply)
    logits = apply(network.variables, images)
    assert logits.shape == (2, 7)
    plain = {name: leaf for name, leaf in network.variables["params"].items() if name != "affect"}
    np.testing.assert_array_equal(apply({**network.variables, "params": plain}, images), logits)


def test_one_layer_of_nine_outputs_is_the_same(network):
    """As HSEmotion has it: K + 2 outputs of one classifier."""
    rng = np.random.default_rng(0)
    head = affect.head_of(network.config, network.model, (16, 16, 3))
    images = rng.integers(0, 256, (3, 16, 16, 3), np.uint8)
    logits, values = jax.jit(make_answer_step(network.model, jnp.float32, head=head))(
        network.variables, images
    )
    joined = affect.joined(network.variables, head)
    outputs, _ = jax.jit(make_answer_step(network.model.clone(num_classes=9), jnp.float32))(joined, images)
    np.testing.assert_allclose(outputs, jnp.concatenate([logits, values], 1), rtol=1e-5, atol=1e-5)
    parted = affect.parted(joined, head)
    tiny.assert_same(tiny.plain_tree(parted), tiny.plain_tree(network.variables))


@pytest.mark.parametrize("head", ["beside", "none"])
def test_weights_move_between_networks_with_and_without_it(run, network, head):
    """The source has a head, and what begins with its weights none; or the other way round."""
    shapes = {path: leaf.shape for path, leaf in by_path(network.variables).items()}
    config = tiny.tiny_configuration(**{**FIELDS, "init__from": str(run), "affect__head": head})
    origin = initial_weights.read(config)
    bare = {path: leaf for path, leaf in origin.arrays.items() if "affect" not in path}

    def outcomes(origin, shapes):
        rows = array_outcomes.decide(origin, config, network.model, origin.label_names, shapes)
        return {row.path: row.outcome for row in rows}

    if head == "none":
        shapes = {path: shape for path, shape in shapes.items() if "affect" not in path}
        found = outcomes(origin, shapes)
        assert found["params/affect/kernel"] == found["params/affect/bias"] == "skipped"
    else:
        assert set(outcomes(origin, shapes).values()) == {"loaded"}
        found = outcomes(origin._replace(arrays=bare), shapes)
        assert found["params/affect/kernel"] == found["params/affect/bias"] == "new"
    assert found["params/fc/kernel"] == "loaded"


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"augment__mixup": 0.2}, "switch augment.mixup off"),
        ({"train__accumulate_steps": 2}, "affect.loss=both is of a whole batch"),
        ({"train__batch_size": 1}, "affect.loss=both is of a whole batch"),
        ({"affect__head": "besides"}, "did you mean beside"),
    ],
)
def test_what_it_cannot_do_is_refused(fields, told):
    with pytest.raises(UserError, match=told):
        validate(tiny.tiny_configuration(**{**FIELDS, **fields}))


def test_a_set_without_values_and_a_network_without_a_linear_layer_are_refused(tiny_run):
    config = tiny_run.config(affect__head="beside")
    with pytest.raises(UserError, match="fer2013 train has none for any") as caught:
        load_split(config, "train", cache="stream")
    assert len(str(caught.value)) <= 400
    with pytest.raises(UserError, match="needs a network whose logits"):
        affect.head_of(config, models.create("mini_xception"), (48, 48, 3))
    assert data.load("fer2013", "train", tiny_run.data, affect=True, cache="stream").affect is None
