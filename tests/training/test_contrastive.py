"""Contrastive learning from data to report, what comes after it, and what it cannot be combined with."""

import json
import re

import jax
import numpy as np
import pytest
import tiny
from ml_collections import ConfigDict

from ferjax.augment import view
from ferjax.cluster.mesh import make_mesh
from ferjax.config import validate
from ferjax.data.memory_source import MemorySource
from ferjax.errors import UserError
from ferjax.report.page import write_page
from ferjax.runs import pretraining_pictures, pretraining_result, weights
from ferjax.runs.pretraining_pictures import ViewPairs
from ferjax.training import array_outcomes, contrastive, setup, without_labels
from ferjax.training.initial_weights import Origin
from ferjax.training.loop import Stopped, train_and_evaluate
from ferjax.training.network import build_model
from ferjax.training.paths import by_path
from ferjax.training.signals import Interrupts

SIMCLR = {
    "pretrain__method": "simclr", "pretrain__projection_size": 4, "pretrain__temperature": 0.2,
    "augment__random_crop": 0.3, "augment__brightness": 0.3, "loss__class_weights": "none",
    "loss__label_smoothing": 0.0, "train__max_steps": 6, "train__epochs": 9.0, "eval__every_epochs": 0.2,
    "checkpoint__every_steps": 3, "optimizer__name": "adamw", "schedule__name": "cosine",
}  # fmt: skip


pytestmark = pytest.mark.usefixtures("tiny_registered")


@pytest.fixture(scope="module")
def whole(tiny_registered, tiny_run, tmp_path_factory):
    """The workdir of a finished run."""
    workdir = tmp_path_factory.mktemp("simclr")
    train_and_evaluate(tiny_run.config(**SIMCLR), workdir)
    return workdir


def noise(count=9, side=16):
    images = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8)
    names = {"label_names": ("only",), "name": "noise", "split": "validation"}
    return MemorySource(images, np.zeros(count, np.int32), **names)


@pytest.mark.slow
def test_a_run_learns_without_classes(whole):
    result, rows = pretraining_result.read(whole / "result.json"), tiny.rows(whole)
    assert all("accuracy" not in row for row in rows)
    found = {row["step"]: row["loss"] for row in rows if row["split"] == "validation"}
    assert result["pretraining"] == "simclr"
    assert result["validation"]["loss"] == pytest.approx(min(found.values()), rel=1e-6)
    assert min(found.values()) < found[min(found)]  # it fell
    stored, _ = weights.load(whole)
    assert "fc" not in stored["params"]
    assert np.abs(stored["batch_stats"]["bn1"]["mean"]).max() > 0  # the statistics moved


@pytest.mark.slow
def test_a_stopped_run_goes_on_the_same(tiny_run, whole, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Interrupts, "asked", lambda self, step: step == 4)
        with pytest.raises(Stopped, match="step 4"):
            train_and_evaluate(tiny_run.config(**SIMCLR), tmp_path)
    train_and_evaluate(tiny_run.config(**SIMCLR), tmp_path)
    stopped, at_once = (tiny.plain_tree(weights.load(place)[0]) for place in (tmp_path, whole))
    tiny.assert_same(stopped, at_once)
    assert tiny.result(tmp_path) == tiny.result(whole)


@pytest.mark.parametrize("source_size", [0, 20])
def test_validation_draws_the_same_views_whatever_the_batch(source_size):
    config = tiny.tiny_configuration(**SIMCLR, data__source_size=source_size)
    model = build_model(config, 1)
    variables = jax.jit(model.init)(jax.random.key(0), np.zeros((1, 16, 16, 3), np.float32))
    step = jax.jit(setup.build_eval_step(config, model))
    mesh, losses = make_mesh(config.mesh), []
    for size in (9, 4):
        config.eval.batch_size = size
        source = noise(side=source_size or 16)
        losses.append(without_labels.evaluate_loss(config, step, variables, source, mesh))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert losses[0] > 0.1


def test_the_two_views_of_an_image_differ_and_those_of_steps_too():
    config, images = tiny.tiny_configuration(**SIMCLR), noise().take(np.arange(4))["image"]
    keys = jax.random.split(jax.random.key(0))
    draws = (view, contrastive.other_view)
    drawn = [np.asarray(draw(key, images, config)) for key in keys for draw in draws]
    for one in range(4):
        for other in range(one):
            assert (drawn[one] != drawn[other]).any((1, 2, 3)).all()


@pytest.mark.slow
def test_the_report_shows_views_and_how_near_they_are(whole):
    pictures = pretraining_pictures.read(whole)
    assert isinstance(pictures, ViewPairs)
    assert pictures.images.shape == pictures.first.shape == pictures.second.shape == (8, 16, 16, 1)
    assert (np.abs(pictures.cosines) <= 1 + 1e-6).all()
    assert (pictures.nearer >= 0).all()
    text = write_page(whole).read_text()
    assert len(re.findall(r'<img alt="(?:original|first view|second view)"', text)) == 24
    assert "cross entropy of finding" in text
    np.savez(whole / "evaluations" / "views.npz", **{**pictures._asdict(), "nearer": pictures.cosines})
    with pytest.raises(UserError, match=r"views\.npz is damaged; remove it"):
        write_page(whole)
    pretraining_pictures.save(whole, pictures)


@pytest.mark.slow
def test_a_training_with_classes_begins_with_it_and_the_other_way_round(tiny_run, whole, tmp_path, capsys):
    config = tiny_run.config(train__max_steps=1, init__from=str(whole))
    train_and_evaluate(config, tmp_path)
    by = {}
    for row in json.loads((tmp_path / "init.json").read_text())["parameters"]:
        by.setdefault(row["outcome"], set()).add(row["path"].split("/")[1])
    gone = {"projection_hidden", "projection_out"}
    assert by == {"loaded": {"conv1", "bn1", "conv2"}, "new": {"fc"}, "skipped": gone}
    capsys.readouterr()
    back = tiny_run.config(**{**SIMCLR, "train__max_steps": 1}, init__from=str(tmp_path))
    train_and_evaluate(back, tmp_path / "back")
    assert "skipped: pre-training has no classifier" in capsys.readouterr().out


PROJECTION = {"projection_hidden", "projection_out"}
DECODER = {"decoder_pred", "mask_token", "norm"}


@pytest.mark.parametrize(
    ("source", "now", "new", "skipped"),
    [
        ("mae", "simclr", PROJECTION | {"fc_norm"}, DECODER),
        ("simclr", "mae", DECODER, PROJECTION | {"fc_norm"}),
        ("simclr", "none", {"head"}, PROJECTION),
        ("none", "simclr", PROJECTION, {"head"}),
    ],
)
def test_what_goes_over_between_tasks(source, now, new, skipped):
    options = {"name": "vit_tiny48", "patch": 4, "width": 16, "depth": 1, "heads": 2, "pool": "mean"}

    def of(method):
        config = tiny.tiny_configuration(**SIMCLR)
        config.pretrain.update(method=method, decoder_width=8, decoder_depth=1, decoder_heads=2)
        config.model = ConfigDict(options)
        model = build_model(config, 7)
        images = np.zeros((1, 16, 16, 3), np.float32)
        shapes = by_path(jax.eval_shape(model.init, jax.random.key(0), images))
        return config, model, {path: leaf.shape for path, leaf in shapes.items()}

    _, _, there = of(source)
    arrays = {path: np.zeros(shape, np.float32) for path, shape in there.items()}
    made_by = "" if source == "none" else source
    origin = Origin("there", "vit_tiny48", arrays, None, 16, 1, [], made_by)
    config, model, shapes = of(now)
    rows = array_outcomes.decide(origin, config, model, tuple("abcdefg"), shapes)
    by = {}
    for row in rows:
        by.setdefault(row.outcome, set()).add(row.path.split("/")[1])
    assert array_outcomes.MISFIT not in by
    assert by[array_outcomes.NEW] >= new
    assert by[array_outcomes.SKIPPED] >= skipped
    assert by[array_outcomes.LOADED] >= {"patch_embed", "blocks_0", "cls_token"}


@pytest.mark.slow
def test_it_is_not_written_for_pytorch(shell, whole, tmp_path):
    line = tiny.only_line(shell("torch-export", whole, f"--out={tmp_path / 'weights.safetensors'}"))
    assert "network has no classifier, and PyTorch's has one: fine-tune it first, with" in line
    assert list(tmp_path.iterdir()) == []


def test_views_that_would_be_the_same_are_refused():
    config = tiny.tiny_configuration(**SIMCLR)
    for name, value in config.augment.items():
        config.augment[name] = type(value)()
    config.augment.update(mixup=0.0, randaugment_magnitude=5.0)
    with pytest.raises(UserError, match="two views of each image, and they would be the same: set"):
        validate(config)
    config.data.source_size = 20
    validate(config)


def test_a_batch_in_parts_is_refused():
    config = tiny.tiny_configuration(**SIMCLR, train__accumulate_steps=2)
    with pytest.raises(UserError, match=r"and train\.accumulate_steps=2 computes it in parts: set it to 1"):
        validate(config)
