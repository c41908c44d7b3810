"""Masked auto-encoding from data to report, what comes after it, and what has no meaning in it."""

import json
import re

import jax
import numpy as np
import pytest
import tiny
from ml_collections import ConfigDict

from ferjax.cluster.mesh import make_mesh
from ferjax.config import needs_classes, validate
from ferjax.data.memory_source import MemorySource
from ferjax.errors import UserError
from ferjax.experiments.runs import Runner
from ferjax.inference.open_run import open_network
from ferjax.layers.positions import sin_cos
from ferjax.report.page import write_page
from ferjax.report.run import read_run
from ferjax.runs import pretraining_pictures, pretraining_result, weights
from ferjax.runs.result import read_result
from ferjax.training import setup
from ferjax.training.loop import Stopped, train_and_evaluate
from ferjax.training.progress import Progress
from ferjax.training.reconstruction import reconstruct
from ferjax.training.schedules import Plateau
from ferjax.training.signals import Interrupts
from ferjax.training.without_labels import evaluate_loss

VIT = {"name": "vit_tiny48", "patch": 4, "width": 16, "depth": 1, "heads": 2}
MAE = {
    "pretrain__method": "mae", "pretrain__decoder_width": 8, "pretrain__decoder_depth": 1,
    "pretrain__decoder_heads": 2, "init__freeze": "pos_embed$", "loss__class_weights": "none",
    "loss__label_smoothing": 0.0, "train__max_steps": 6, "train__epochs": 9.0, "eval__every_epochs": 0.2,
    "checkpoint__every_steps": 3, "optimizer__name": "adamw", "schedule__name": "cosine",
}  # fmt: skip
FREE = {"init__freeze": "", "loss__class_weights": "none"}


def configured(tiny_run=None, **fields):
    """The tiny configuration with a small vision transformer in place of the tiny network."""
    config = tiny_run.config(**fields) if tiny_run else tiny.tiny_configuration(**fields)
    config.model = ConfigDict(VIT)
    return config


@pytest.fixture(scope="module")
def whole(tiny_run, tmp_path_factory):
    """The workdir of a finished run of pre-training."""
    workdir = tmp_path_factory.mktemp("mae")
    train_and_evaluate(configured(tiny_run, **MAE), workdir)
    return workdir


@pytest.mark.slow
def test_a_run_learns_without_classes(whole):
    result = pretraining_result.read(whole / "result.json")
    rows = tiny.rows(whole)
    assert all("accuracy" not in row for row in rows)
    found = {row["step"]: row["loss"] for row in rows if row["split"] == "validation"}
    assert result["best_step"] == min(found, key=found.get)
    assert result["validation"]["loss"] == pytest.approx(min(found.values()), rel=1e-6)
    assert result["pretraining"] == "mae"
    assert min(found.values()) < found[min(found)]  # it fell
    fixed, _ = weights.load(whole)
    np.testing.assert_array_equal(fixed["params"]["pos_embed"], sin_cos(4, 4, 16))


@pytest.mark.slow
def test_a_stopped_run_goes_on_the_same(tiny_run, whole, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Interrupts, "asked", lambda self, step: step == 4)
        with pytest.raises(Stopped, match="step 4"):
            train_and_evaluate(configured(tiny_run, **MAE), tmp_path)
    train_and_evaluate(configured(tiny_run, **MAE), tmp_path)
    tiny.assert_same(weights_of(tmp_path), weights_of(whole))
    assert tiny.result(tmp_path) == tiny.result(whole)
    assert tiny.steady(tiny.rows(tmp_path)) == tiny.steady(tiny.rows(whole))


def weights_of(workdir):
    return tiny.plain_tree(weights.load(workdir)[0])


@pytest.mark.parametrize("source_size", [0, 20])
def test_validation_hides_the_same_patches_whatever_the_batch(source_size):
    config = configured(**MAE, data__source_size=source_size)
    side = source_size or 16
    rng = np.random.default_rng(0)
    source = MemorySource(
        rng.integers(0, 256, (7, side, side, 3), np.uint8),
        np.zeros(7, np.int32),
        label_names=("only",),
        name="noise",
        split="validation",
    )
    mesh = make_mesh(config.mesh)
    model = setup.build_model(config, 1)
    variables = jax.jit(model.init)(jax.random.key(0), np.zeros((1, 16, 16, 3), np.float32))
    step = jax.jit(setup.build_eval_step(config, model))
    losses = []
    for config.eval.batch_size in (7, 4):
        losses.append(evaluate_loss(config, step, variables, source, mesh))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    pictures = reconstruct(model, config, variables, source, 3)
    assert pictures.reconstructed.shape == (3, 16, 16, 3)


@pytest.mark.slow
def test_the_report_shows_what_was_filled_in(whole):
    pictures = pretraining_pictures.read(whole)
    assert pictures.images.shape == pictures.reconstructed.shape == (8, 16, 16, 3)
    differing = (pictures.masked != pictures.images).any(-1).reshape(8, 4, 4, 4, 4).any((2, 4)).sum((1, 2))
    assert (differing <= 12).all()
    assert differing.max() == 12  # of 16 patches
    page = write_page(whole)
    text = page.read_text()
    assert len(re.findall(r'<img alt="(?:original|masked|reconstructed)"', text)) == 24
    assert "Confusion" not in text
    assert (page.parent / "curves.png").exists()
    assert "validation loss" in (page.parent / "report.md").read_text()
    (whole / "evaluations" / "reconstructions.npz").rename(whole / "kept")
    (whole / "evaluations" / "reconstructions.npz").write_bytes(b"no archive")
    with pytest.raises(UserError, match=r"reconstructions\.npz is damaged; remove it"):
        write_page(whole)
    (whole / "evaluations" / "reconstructions.npz").unlink()
    assert "<img" not in write_page(whole).read_text()
    (whole / "kept").rename(whole / "evaluations" / "reconstructions.npz")


@pytest.mark.slow
def test_an_unfinished_run_has_a_page_too(whole, tmp_path):
    for name in ("config.json", "metrics.jsonl"):
        (tmp_path / name).write_bytes((whole / name).read_bytes())
    run = read_run(tmp_path)
    assert run.best_step == read_run(whole).best_step
    assert "This run is unfinished" in write_page(run).read_text()


@pytest.mark.slow
def test_fine_tuning_and_probing_begin_with_the_encoder(tiny_run, whole, tmp_path, capsys):
    config = configured(tiny_run, **FREE, train__max_steps=1, init__from=str(whole))
    config.init.freeze = "^(?!head/)"
    train_and_evaluate(config, tmp_path)
    outcomes = json.loads((tmp_path / "init.json").read_text())["parameters"]
    by = {}
    for row in outcomes:
        by.setdefault(row["outcome"], set()).add(row["path"].split("/")[1])
    assert by["loaded"] == {"patch_embed", "cls_token", "pos_embed", "blocks_0"}
    assert by["new"] == {"fc_norm", "head"}
    assert by["skipped"] == {
        "mask_token", "norm", "decoder_embed", "decoder_pos_embed", "decoder_blocks_0", "decoder_norm",
        "decoder_pred",
    }  # fmt: skip
    assert "does not fit" not in capsys.readouterr().out
    before, after = (weights.load(place)[0]["params"] for place in (whole, tmp_path))
    jax.tree.map(np.testing.assert_array_equal, before["blocks_0"], after["blocks_0"])
    assert json.loads((tmp_path / "result.json").read_text())["init"]["trained_on"]

    back = configured(tiny_run, **{**MAE, "train__max_steps": 1}, init__from=str(tmp_path))
    train_and_evaluate(back, tmp_path / "back")
    assert "pre-training has no classifier" in capsys.readouterr().out


@pytest.mark.slow
def test_a_network_without_classes_is_not_opened(whole):
    with pytest.raises(UserError, match=r"is a run of pre-training .*fine-tune it first, with"):
        open_network(whole)
    with pytest.raises(UserError, match="is of pre-training, which has no classes to score"):
        read_result(whole / "result.json")


def test_experiments_need_scores_of_classes(tmp_path):
    with pytest.raises(UserError, match="an experiment needs scores of classes"):
        Runner().run(configured(**MAE), tmp_path)
    needs_classes(tiny.tiny_configuration(), "repeat")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("loss__scn", 0.5), ("data__balance", "oversample"), ("augment__mixup", 0.2),
        ("eval__also_best_on_test", True), ("loss__label_smoothing", 0.1),
    ],
)  # fmt: skip
def test_what_is_about_labels_is_refused(field, value):
    config = configured(**{**MAE, field: value})
    name = field.replace("__", ".")
    with pytest.raises(UserError, match=rf"trains without labels, and {re.escape(name)} is about them"):
        validate(config)


def test_without_an_accuracy_the_lowest_loss_is_best():
    progress = Progress(Plateau(0.5, 0))
    for step, loss in enumerate([3.0, 2.0, 2.5], start=1):
        progress.judge(step, {"loss": loss})
    assert (progress.best_step, progress.bad_evaluations, progress.plateau.scale) == (2, 1, 0.5)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"pretraining": "mae"}, "lacks model"),
        ({"label_names": []}, "lacks pretraining"),
        ([], "is not a JSON object"),
    ],
)
def test_a_damaged_result(tmp_path, content, message):
    path = tmp_path / "result.json"
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=message):
        pretraining_result.read(path)
