"""A run scored on another set, against its probabilities turned into the set's space one by one."""

import contextlib
import csv
import fcntl
import io
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from ferjax.augment import normalise
from ferjax.cluster.mesh import make_mesh
from ferjax.data import builders, load
from ferjax.data.labels import FER7, FER8
from ferjax.errors import UserError
from ferjax.inference.score_run import evaluate_run
from ferjax.runs import predictions
from ferjax.runs.checkpoints import Checkpoints
from ferjax.training import setup
from ferjax.training.losses import cross_entropy
from ferjax.training.predict_step import make_predict_step
from ferjax.training.splits import load_split
from ferjax.training.steps import make_eval_step

LABELS = [0, 1, 3, 7, 4, 5, 7, 6, 0, 3, 3]  # of fer8: contempt, and nobody afraid


@pytest.fixture(scope="module")
def ckplus(tmp_path_factory):
    """The folder of a small CK+ (fer8) without fear, everything in train."""
    folder = tmp_path_factory.mktemp("ckplus")
    images = np.random.default_rng(5).integers(0, 256, (len(LABELS), 48 * 48))
    lines = [
        f"{label},{' '.join(map(str, image))},Training" for label, image in zip(LABELS, images, strict=True)
    ]
    (folder / "ckextended.csv").write_text("\n".join(["emotion,pixels,Usage", *lines, ""]))
    with contextlib.redirect_stdout(io.StringIO()):
        builders.build(builders.create("ckplus", folder / "data", manual_dir=folder))
    return folder / "data"


@pytest.fixture
def workdir(never_killed, tmp_path):
    return shutil.copytree(never_killed, tmp_path / "run")


def as_fer8(probabilities, present):
    """Probabilities of fer7's classes as ones of fer8's, those that the set lacks masked."""
    kept = np.where(present[: len(FER7)], probabilities, 0)
    return np.pad(kept / kept.sum(-1, keepdims=True), ((0, 0), (0, 1)))


def best_probabilities(workdir, images):
    """The best checkpoint's probabilities `[N, K]`, computed outside of any step."""
    config = tiny.ConfigDict(json.loads((workdir / "config.json").read_text()))
    with tiny.registered():
        parts = setup.assemble(config, load_split(config, "train"), make_mesh(config.mesh))
        model = setup.build_model(config, 7)
    best = json.loads((workdir / "result.json").read_text())["best_step"]
    with contextlib.closing(Checkpoints(workdir, "tiny", keep=9)) as checkpoints:
        state, _ = checkpoints.restore(best, parts.like)
    return np.asarray(jax.nn.softmax(model.apply(state.variables, normalise(images))), np.float64)


@pytest.mark.slow
@pytest.mark.parametrize("extra", ["drop", "map"])
def test_a_fer7_network_on_a_fer8_set(workdir, ckplus, shell, extra):
    options = [f"--workdir={workdir}", "--dataset=ckplus", "--split=train", f"--data_dir={ckplus}"]
    done = shell("evaluate", *options, f"--extra={extra}")
    assert done.returncode == 0, done.stderr
    found = json.loads((workdir / "evaluations" / "ckplus-train.json").read_text())

    names = [name for name in FER7 if name != "fear"]
    assert (found["label_names"], found["masked"]) == (names, ["fear"])
    assert found["merged"] == ({"contempt": "disgust"} if extra == "map" else {})
    assert found["dropped"] == ({"contempt": 2} if extra == "drop" else {})
    source = load("ckplus", "train", ckplus, image_size=16, val_fraction=0)
    batch = source.take(np.arange(len(LABELS)))
    assert batch["label"].tolist() == LABELS
    present = np.array([name in {FER8[label] for label in LABELS} for name in FER8])
    probabilities = as_fer8(best_probabilities(workdir, batch["image"]), present)
    expected, losses = np.zeros((6, 6), int), []
    for label, row in zip(LABELS, probabilities, strict=True):
        if FER8[label] == "contempt" and extra == "drop":
            continue
        actual = "disgust" if FER8[label] == "contempt" else FER8[label]
        expected[names.index(actual), names.index(FER8[row.argmax()])] += 1
        losses.append(-np.log(row[FER8.index(actual)]))
    np.testing.assert_array_equal(found["test"]["confusion_matrix"], expected)
    assert found["test"]["loss"] == pytest.approx(np.mean(losses), rel=1e-4)
    assert found["step"] == json.loads((workdir / "result.json").read_text())["best_step"]

    said = predictions.read(workdir / "evaluations" / "ckplus-train.npz")
    kept = [k for k, label in enumerate(LABELS) if FER8[label] != "contempt" or extra == "map"]
    assert said.label_names == tuple(names)
    assert said.indices.tolist() == kept
    shares = probabilities[kept][:, [FER8.index(name) for name in names]]
    np.testing.assert_allclose(np.exp(said.log_probabilities), shares, atol=1e-5)
    with (workdir / "evaluations" / "ckplus-train" / "predict.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["predicted"] for row in rows] == [names[k] for k in said.predicted]
    assert (workdir / "evaluations" / "ckplus-train" / "ground_truth.csv").exists()
    assert found["probabilities"]["cross_entropy"] == pytest.approx(found["test"]["loss"], rel=1e-4)
    assert found["probabilities"]["temperature"] > 0  # the run kept what it said about validation

    assert "masked, because the set has no example: fear" in done.stdout
    said = "counted as disgust: contempt" if extra == "map" else "network lacks the class: 2 contempt"
    assert said in done.stdout
    assert "accuracy" in done.stdout


def test_its_own_test_split_gives_the_runs_result_again(workdir, tiny_model):
    found = evaluate_run(workdir)
    assert (found["dataset"], found["split"], found["masked"]) == ("fer2013", "test", [])
    result = json.loads((workdir / "result.json").read_text())
    assert found["test"]["confusion_matrix"] == result["test"]["confusion_matrix"]
    assert found["test"]["loss"] == pytest.approx(result["test"]["loss"], rel=1e-5)
    assert found["split_digest"] == result["split_digests"]["test"]
    ours, theirs = found["probabilities"], result["probabilities"]
    assert ours["temperature"] == pytest.approx(theirs["temperature"], rel=1e-4)
    assert ours["roc_auc"] == pytest.approx(theirs["roc_auc"], rel=1e-4)
    assert ours["intervals"] == theirs["intervals"]


def test_an_unfinished_run_and_a_config_of_before(workdir, tiny_model):
    (workdir / "result.json").unlink()
    stored = json.loads((workdir / "config.json").read_text())
    del stored["augment"]["cutmix"]
    (workdir / "config.json").write_text(json.dumps(stored))
    before = (workdir / "config.json").read_text()
    found = evaluate_run(workdir, split="validation")
    rows = [row for row in tiny.rows(workdir) if row["split"] == "validation"]
    (accuracy,) = [row["accuracy"] for row in rows if row["step"] == found["step"]]
    assert found["test"]["accuracy"] == pytest.approx(accuracy)
    assert accuracy == max(row["accuracy"] for row in rows)
    assert json.loads((workdir / "config.json").read_text()) == json.loads(before)


@pytest.mark.slow
def test_bad_input(workdir, ckplus, shell, tmp_path):
    own = f"--workdir={workdir}"
    ck = ("--dataset=ckplus", f"--data_dir={ckplus}", "--split=train")
    for arguments, words in (
        (["--workdir=nowhere"], "nowhere holds no run with a checkpoint"),
        ([], "--workdir must be given"),
        ([own, "--dataset=fer2031"], "there is no data set 'fer2031'; the nearest names are fer2013"),
        ([own, "--dataset=ckplus", f"--data_dir={tmp_path}"], "ckplus is not built"),
        ([own, "--split=tset"], "no split 'tset'"),
        ([own, "--extra=keep"], "extra"),
        ([own, *ck, "--map=contempt:disgust"], "--map=contempt:disgust changes nothing without --extra=map"),
        ([own, *ck, "--extra=map", "--map=contempt"], "--map=contempt is not CLASS:COUNTS_AS"),
        ([own, *ck, "--extra=map", "--map=contempt:calm"], "contempt cannot count as calm"),
        ([own, "surplus"], "unexpected argument 'surplus'"),
    ):  # fmt: skip
        assert words in tiny.only_line(shell("evaluate", *arguments))
    (workdir / "config.json").write_text("[]")
    assert "is not the config of a run" in tiny.only_line(shell("evaluate", own))
    assert not list((workdir / "evaluations").glob("*.json"))


def test_a_run_that_is_being_written_is_left_alone(workdir, tiny_model):
    with (workdir / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="another run is writing"):
            evaluate_run(workdir)


@pytest.mark.slow
def test_masked_classes_are_never_predicted_and_cost_nothing(tiny_model):
    model = tiny.TinyNet()
    images = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
    variables = model.init(jax.random.key(0), jnp.zeros((1, 16, 16, 3)))
    allowed = np.array([True, False, True, True, False, True, True])
    labels = np.array([0, 2, 3, 5, 6, 0, 2, 3])
    batch = {"image": images, "label": labels, "mask": np.ones(8, np.float32)}
    sums = make_eval_step(model, 7, jnp.float32, allowed=allowed)(variables, batch)
    logits = np.asarray(make_predict_step(model, jnp.float32)(variables, images))
    kept = np.flatnonzero(allowed)
    loss, _ = cross_entropy(jnp.asarray(logits[:, kept]), np.searchsorted(kept, labels))
    assert float(sums["loss"]) == pytest.approx(float(loss.sum()), rel=1e-5)
    assert np.asarray(sums["confusion"])[:, ~allowed].sum() == 0
    assert np.asarray(sums["confusion"]).sum() == 8


@pytest.mark.slow
@pytest.mark.parametrize("crops", ["none", "flip", "five", "ten"])
def test_crops_are_averaged(crops):
    model = tiny.TinyNet(dropout=0.0)
    images = np.random.default_rng(0).integers(0, 256, (2, 20, 20, 3), dtype=np.uint8)
    variables = model.init(jax.random.key(0), jnp.zeros((1, 16, 16, 3)))
    corners = [(2, 2), (0, 0), (0, 4), (4, 0), (4, 4)] if crops in ("five", "ten") else [(2, 2)]
    cut = [images[:, y : y + 16, x : x + 16] for y, x in corners]
    cut += [view[:, :, ::-1] for view in cut] if crops in ("flip", "ten") else []
    chances = [jax.nn.softmax(model.apply(variables, normalise(view))) for view in cut]
    found = jax.nn.softmax(make_predict_step(model, jnp.float32, 16, crops)(variables, images))
    np.testing.assert_allclose(found, np.mean(chances, axis=0), atol=1e-6)
