"""Several seeds in one process: one compilation, and the same numbers as one run at a time."""

import json

import numpy as np
import pytest
import tiny

from ferjax.errors import UserError
from ferjax.experiments import compare
from ferjax.experiments.repeat import read_repeat, repeat, table
from ferjax.experiments.runs import Runner, with_seed
from ferjax.scores import significance
from ferjax.training.loop import train_and_evaluate

pytestmark = pytest.mark.usefixtures("tiny_model")
QUICK = {"checkpoint__every_steps": 0, "train__epochs": 1.0}


@pytest.fixture(scope="module")
def repeated(tiny_run, tmp_path_factory):
    """Three seeds, and what trained them."""
    folder, runner = tmp_path_factory.mktemp("repeated"), Runner()
    with tiny.registered():
        found = repeat(tiny_run.config(**QUICK, train__seed=4), folder, 3, runner)
    return folder, found, runner


@pytest.mark.slow
def test_all_seeds_share_one_compilation(repeated):
    _, found, runner = repeated
    assert found["seeds"] == [4, 5, 6]
    assert runner.prepared == 1
    parts = runner.kept.parts
    for compiled in (parts.init, *parts.train_steps, parts.eval_step):
        assert compiled._cache_size() == 1


@pytest.mark.slow
def test_seeds_differ_and_each_is_what_a_run_of_its_own_gives(repeated, tiny_run, tmp_path):
    folder, _, _ = repeated
    losses = {json.loads((folder / f"seed-{s}/result.json").read_text())["test"]["loss"] for s in (4, 5, 6)}
    assert len(losses) == 3
    train_and_evaluate(tiny_run.config(**QUICK, train__seed=5), tmp_path / "alone")
    alone, shared = tiny.result(tmp_path / "alone"), tiny.result(folder / "seed-5")
    assert alone == shared
    tiny.assert_same(tiny.newest(tmp_path / "alone")[0], tiny.newest(folder / "seed-5")[0])


def test_the_summary_is_that_of_the_runs(repeated):
    folder, found, _ = repeated
    results = [json.loads((folder / f"seed-{s}/result.json").read_text()) for s in (4, 5, 6)]
    assert found["scores"]["macro_f1"] == [result["test"]["macro_f1"] for result in results]
    summary = significance.seed_summary(found["scores"]["accuracy"])
    assert found["summary"]["accuracy"] == summary._asdict()
    assert read_repeat(folder)["scores"] == found["scores"]
    text = table(found)
    assert f"{100 * summary.mean:.2f}%" in text
    assert "3 seeds (4 to 6)" in text


def test_finished_runs_are_read_and_the_missing_one_is_trained(repeated, tiny_run):
    folder, found, _ = repeated
    runner = Runner()
    config = tiny_run.config(**QUICK, train__seed=4)
    assert repeat(config, folder, 2, runner)["scores"]["accuracy"] == found["scores"]["accuracy"][:2]
    assert runner.prepared == 0
    (folder / "seed-6" / "result.json").unlink()
    assert repeat(config, folder, 3, runner)["scores"] == found["scores"]
    assert runner.prepared == 1


@pytest.mark.slow
def test_another_config_is_prepared_anew(tiny_run, tmp_path):
    runner = Runner()
    config = tiny_run.config(**QUICK, train__max_steps=1)
    runner.run(config, tmp_path / "a")
    runner.run(with_seed(config, 1), tmp_path / "b")
    assert runner.prepared == 1
    runner.run(tiny_run.config(**QUICK, train__max_steps=1, eval__every_epochs=0.5), tmp_path / "c")
    assert runner.prepared == 2


def test_bad_input(repeated, tiny_run, tmp_path):
    folder, _, _ = repeated
    config = tiny_run.config(**QUICK)
    with pytest.raises(UserError, match="repeat -n 1: an interval over seeds needs at least two"):
        repeat(config, tmp_path, 1)
    assert not list(tmp_path.iterdir())
    other = tiny_run.config(**QUICK, train__seed=4, optimizer__momentum=0.5)
    with pytest.raises(UserError, match="belongs to another config"):
        repeat(other, folder, 2)
    with pytest.raises(UserError, match=r"no finished repeat: it has no repeat\.json"):
        read_repeat(tmp_path)
    for content in (
        "{}",
        "[]",
        '{"model": 1, "dataset": 1, "test_digest": 1, "seeds": [1], "scores": {}, "seconds": 1}',
    ):
        (tmp_path / "repeat.json").write_text(content)
        with pytest.raises(UserError, match="is damaged; run the repeat again"):
            read_repeat(tmp_path)


def of(accuracies, seeds=None, digest="d"):
    return {
        "model": "m", "dataset": "s", "test_digest": digest, "seconds": 1.0,
        "seeds": list(range(len(accuracies))) if seeds is None else seeds,
        "scores": {name: list(accuracies) for name in ("accuracy", "mean_class_accuracy", "macro_f1")},
    }  # fmt: skip


def test_recipes_are_compared_by_the_seeds_that_both_have():
    first, second = of([0.70, 0.71, 0.72, 0.90], [0, 1, 2, 9]), of([0.76, 0.72, 0.74], [2, 0, 1])
    found = compare.by_seed(first, second)
    assert found["seeds"] == [0, 1, 2]
    expected = significance.paired([0.70, 0.71, 0.72], [0.72, 0.74, 0.76])
    assert found["scores"]["accuracy"] == expected
    text = compare.table(found, "old", "new")
    assert "new − old, paired by 3 seeds" in text
    assert "+3.00" in text


def test_recipes_that_cannot_be_compared_are_told():
    with pytest.raises(UserError, match="share 1 seeds; a paired comparison needs at least two"):
        compare.by_seed(of([0.1, 0.2]), of([0.3, 0.4], [1, 2]))
    with pytest.raises(UserError, match="tested on different images"):
        compare.by_seed(of([0.1, 0.2]), of([0.1, 0.2], digest="other"))


def test_two_runs_are_compared_by_image(repeated):
    folder, _, _ = repeated
    first, second = folder / "seed-4", folder / "seed-5"
    found = compare.compare(first, second)
    assert found["kind"] == "images"
    test = found["test"]
    results = [json.loads((run / "result.json").read_text())["test"] for run in (first, second)]
    assert test.difference == pytest.approx(results[1]["accuracy"] - results[0]["accuracy"])
    assert test.n == np.sum(results[0]["confusion_matrix"])
    assert "p (McNemar)" in compare.table(found, "a", "b")
    with pytest.raises(UserError, match=r"holds several seeds and .* a single run"):
        compare.compare(folder, first)


def test_runs_that_cannot_be_compared_are_told(tmp_path, repeated):
    folder, _, _ = repeated
    with pytest.raises(UserError, match="holds no finished run"):
        compare.compare(tmp_path, folder / "seed-4")
    said = folder / "seed-6" / "evaluations" / "fer2013-test.npz"
    content = said.read_bytes()
    said.unlink()
    with pytest.raises(UserError, match="has no predictions: python -m ferjax evaluate"):
        compare.compare(folder / "seed-4", folder / "seed-6")
    said.write_bytes(content)


@pytest.mark.slow
def test_the_commands(tiny_run, repeated, tmp_path, shell):
    folder, _, _ = repeated
    flags = [
        f"--config.data.dir={tiny_run.data}",
        "--config.train.max_steps=2",
        f"--workdir={tmp_path / 'a'}",
    ]
    against = [
        f"--against={tiny.CONFIG}:fer2013,loss.label_smoothing=0.0",
        f"--against.data.dir={tiny_run.data}",
        "--against.train.max_steps=2",
    ]
    done = shell("repeat", "-n", "2", f"--config={tiny.CONFIG}", *against, *flags)
    assert done.returncode == 0, done.stderr
    assert "paired by 2 seeds" in done.stdout
    assert (tmp_path / "a" / "repeat.md").read_text() in done.stdout + "\n"
    assert len(list((tmp_path / "a-against").glob("seed-*/result.json"))) == 2
    done = shell("compare", tmp_path / "a", tmp_path / "a-against")
    assert done.returncode == 0, done.stderr
    assert "p (t test)" in done.stdout
    for arguments, words in (
        (["repeat", f"--config={tiny.CONFIG}", "-n", "1", *flags], "needs at least two seeds"),
        (["repeat"], "--config"),
        (["repeat", f"--config={tiny.CONFIG}", "x"], "unexpected argument 'x'"),
        (["compare", folder], "name two folders"),
        (["compare", folder, folder / "seed-4"], "a single run"),
        (["compare", tmp_path, tmp_path], "holds no finished run"),
    ):
        assert words in tiny.only_line(shell(*arguments))
