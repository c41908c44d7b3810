"""A whole search with the tiny network: winner, page, config file, and what the command refuses."""

import json

import pytest
import tiny
from ml_collections import ConfigDict

from ferjax.commands.framework import _RecipeParser
from ferjax.config import defaults, set_stages
from ferjax.errors import UserError
from ferjax.tune import page, plots, record, run
from ferjax.tune.best_file import config_file
from ferjax.tune.search import Settings
from ferjax.tune.space import Dimension, with_values
from ferjax.tune.trial import RATE

SPACE = (
    Dimension(RATE, 1e-3, 0.1, log=True),
    Dimension("optimizer.name", choices=("sgd", "adamw")),
    Dimension("optimizer.momentum", 0.5, 0.9, when=(("optimizer.name", ("sgd",)),)),
)


def read_config(path) -> ConfigDict:
    return _RecipeParser("config").parse(str(path))


def row(number, accuracy=None, ended="whole", validations=(), **values):
    return {
        "number": number, "values": {RATE: 0.01, "optimizer.name": "sgd", **values}, "ended": ended,
        "accuracy": accuracy, "seconds": 60.0, "validations": list(validations),
    }  # fmt: skip


def report(**changes):
    rows = [
        row(0, 0.5, validations=[0.4, 0.5], **{"optimizer.momentum": 0.6}),
        row(1, 0.7, validations=[0.5, 0.7], **{"optimizer.name": "adamw"}),
        row(2, ended="pruned", validations=[0.2]),
        row(3, ended="diverged"),
        row(4, ended="impossible: <b> & so on"),
    ]
    return {
        "model": "tiny", "dataset": "fer2013", "space": record.space_rows(SPACE), "trials": rows,
        "search": {"sampler": "tpe", "pruner": "median", "seed": 0, "trials": 5, "hours": None,
                   "trial_seeds": 1, "storage": "s"},
        "best": {"number": 1, "values": rows[1]["values"], "accuracy": 0.7,
                 "base": {RATE: 0.1, "optimizer.name": "sgd", "optimizer.momentum": 0.9}},
        "importance": {RATE: 0.8, "optimizer.name": 0.2},
        "tested": None, "workers": [
            {"host": "a", "pid": 1, "tasks": 3, "busy_seconds": 90.0, "idle_seconds": 10.0},
        ],
        "date": "2026-11-29T00:00:00+00:00", "ferjax": "0", **changes,
    }  # fmt: skip


def test_the_page_says_what_was_chosen_from_what(tmp_path):
    page.write(tmp_path, report())
    text = (tmp_path / "index.html").read_text()
    assert (
        "Trial 1 has the best accuracy on validation, 70.00%, of 5 trials (2 to the end, 1 pruned, " in text
    )
    assert "1 diverged, 1 impossible; 5 min 0 s of training)" in text
    assert "&lt;b&gt; &amp; so on" in text
    assert "10.0%" in text  # the worker's idle share
    assert text.count("<svg") == 4
    assert "://" not in text
    for name in ("history", "importance", "parallel", "curves"):
        assert (tmp_path / f"{name}.png").stat().st_size > 1000
    assert json.loads((tmp_path / "tune.json").read_text())["best"]["number"] == 1
    assert "| optimizer.momentum" in (tmp_path / "tune.md").read_text()
    page.write(tmp_path, report(importance={}))  # again over its own files; with too few trials for it
    assert (tmp_path / "index.html").read_text().count("<svg") == 3


def test_the_winners_seeds_are_told_with_the_size_of_the_search():
    results = [
        {"seed": seed, "seconds": 1.0, "split_digests": {"test": "d"},
         "test": dict.fromkeys(("accuracy", "mean_class_accuracy", "macro_f1"), 0.6 + seed / 100)}
        for seed in (1, 2, 3)
    ]  # fmt: skip
    tested = record.tested(results)
    text = record.statement(report(tested=tested))
    assert "trained anew with 3 seeds that no trial used (1 to 3), and each was tested once" in text
    assert "5 trials" in text
    assert "too good" not in text
    seen = {"images": 349, "train": 22, "validation": 0, "earlier": 0}
    text = record.statement(report(tested=record.tested([{**results[0], "overlap": seen}])))
    assert "with 1 seed that no trial used (1), and each" in text
    assert (
        "scores on test are too good: of 349 scored images the same pixels stand 22 in the training" in text
    )
    head, rows = page.test_table(tested)
    assert rows[0][:2] == ["accuracy", "62.00%"]
    assert len(head) == len(rows[0]) == 5
    head, rows = page.test_table(record.tested(results[:1]))
    assert len(head) == len(rows[0]) == 3


def test_inner_folds_are_told(tmp_path):
    page.write(tmp_path, report(search={**report()["search"], "folds": 5}))
    text = (tmp_path / "index.html").read_text()
    assert "has the best accuracy on validation, 70.00% on average over 5 inner folds, of 5 trials" in text
    assert "1 seed on each of 5 inner folds a trial, at most 5 trials" in text


def test_folds_that_cannot_be_made_are_told_before_anything_is_written(tiny_run, tiny_model, tmp_path):
    settings = Settings("random", "none", trials=1)
    for fields, folds, told in (
        ({}, 1, "--folds=1: take 2 or more, or 0 to judge trials on validation"),
        ({"data__inner_fold": "1/2"}, 3, "the recipe has data.inner_fold=1/2, which --folds=3 sets"),
        ({}, 999999, "they make no 999999 folds"),
    ):
        with pytest.raises(UserError, match=told):
            run.tune(tiny_run.config(**fields), SPACE, tmp_path / "a", settings, folds=folds)
    assert not (tmp_path / "a").exists()


class Study:
    """A study of so many trials."""

    def __init__(self, count):
        self._count = count

    def get_trials(self, deepcopy):
        return [type("Trial", (), {"user_attrs": {"number": number}}) for number in range(self._count)]


@pytest.mark.usefixtures("tiny_model")
@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "is not valid JSON"),
        ("[]", "is damaged: restore it, or search again in another --workdir"),
        ('{"a": 1}', "is damaged"),
        ('{"trials": 2, "winner": {"number": 1}}', "is damaged"),
        (
            '{"trials": 2, "winner": {"number": 1, "values": {}, "accuracy": 0.5}}',
            "has ended with 2 trials, and this study has 0: give the --storage and --study that it had",
        ),
    ],
)
def test_a_closed_search_whose_winner_is_not_that_of_the_study(tmp_path, monkeypatch, content, told):
    (tmp_path / "winner.json").write_text(content)
    monkeypatch.setattr(run, "open_study", lambda *_: Study(0))
    with pytest.raises(UserError, match=told):
        run.tune(tiny.tiny_configuration(), SPACE, tmp_path, Settings(trials=1))


def test_a_search_without_time_is_told():
    with pytest.raises(UserError, match="no trial was begun: give --hours above 0"):
        run._winner(Study(0), SPACE)


def test_one_trial_and_a_field_that_was_not_searched_can_be_drawn():
    rows = [row(0, 0.5)]
    for figure in (plots.history(rows), plots.parallel(rows, record.space_rows(SPACE)), plots.curves(rows)):
        assert figure.axes
    (axes,) = plots.parallel(rows, record.space_rows(SPACE)).axes
    (dotted,) = [line for line in axes.get_lines() if line.get_linestyle() == ":"]
    assert list(dotted.get_xdata()) == [0, 1, 3]  # past the momentum that was not searched


def test_a_config_file_gives_back_the_config(tmp_path):
    config = tiny.tiny_configuration()
    config.augment.extra = 'it\'s "quoted"'
    (tmp_path / "best.py").write_text(config_file(config, 'found by "tune" \\n', "a mark"))
    assert read_config(tmp_path / "best.py").to_dict() == config.to_dict()
    other = read_config(f"{tmp_path / 'best.py'}:toons/avataaars,train.epochs=1.0")
    assert (other.data.name, other.train.epochs) == ("toons/avataaars", 1.0)
    staged = defaults()
    set_stages(staged, {"epochs": 2.0, "freeze": "^a"}, {"learning_rate": 0.5})
    (tmp_path / "staged.py").write_text(config_file(staged, "", ""))
    assert read_config(tmp_path / "staged.py").to_dict() == staged.to_dict()


@pytest.mark.slow
def test_a_whole_search_tests_its_winner_once(tiny_run, tiny_model, tmp_path):
    config = tiny_run.config(checkpoint__every_steps=0, train__max_steps=4, eval__every_epochs=0.2)
    settings = Settings("random", "none", trials=2)
    with pytest.raises(UserError, match="tune needs an end: give --trials, --hours or both"):
        run.tune(config, SPACE, tmp_path, Settings())
    searched = run.tune(config, SPACE, tmp_path, settings, final_seeds=0)
    assert searched["tested"] is None
    found = run.tune(config, SPACE, tmp_path, Settings("random", "none", trials=3), final_seeds=2)
    assert found["trials"][:2] == searched["trials"]
    assert len(found["trials"]) == 3
    assert found["tested"]["seeds"] == [1, 2]
    results = [json.loads((tmp_path / f"best/seed-{seed}/result.json").read_text()) for seed in (1, 2)]
    assert found["tested"]["scores"]["accuracy"] == [result["test"]["accuracy"] for result in results]
    tests = [path for path in tmp_path.rglob("metrics.jsonl") if '"test"' in path.read_text()]
    assert {path.parent.parent.name for path in tests} == {"best"}
    best = max(found["trials"], key=lambda trial: (trial["accuracy"], -trial["number"]))
    assert found["best"]["values"] == best["values"]
    expected = with_values(config, best["values"])
    assert read_config(tmp_path / "best.py").to_dict() == expected.to_dict()
    again = run.tune(config, SPACE, tmp_path, Settings("random", "none", trials=3), final_seeds=2)
    assert {**again, "date": "", "workers": []} == {**found, "date": "", "workers": []}
    with pytest.raises(
        UserError, match="ended with 3 trials, and its winner is tested: it cannot go on to 4"
    ):
        run.tune(config, SPACE, tmp_path, Settings("random", "none", trials=4), final_seeds=2)
    with pytest.raises(UserError, match="its winner is tested: leave --final_seeds=0 out"):
        run.tune(config, SPACE, tmp_path, Settings("random", "none", trials=3), final_seeds=0)
    with pytest.raises(UserError, match="is of another search"):
        run.tune(config, SPACE[:1], tmp_path, settings, final_seeds=2)
    with pytest.raises(UserError, match=r"is of another search .*folds was 0, is 2"):
        run.tune(config, SPACE, tmp_path, settings, final_seeds=2, folds=2)


@pytest.mark.slow
def test_the_command(tiny_run, tmp_path, shell):
    space = tmp_path / "space.toml"
    space.write_text(f'"{RATE}" = {{low = 0.01, high = 0.1, log = true}}\n')
    flags = [f"--config={tiny.CONFIG}", f"--config.data.dir={tiny_run.data}", "--config.train.max_steps=2"]
    searched = [*flags, f"--space={space}", "--trials=2", "--final_seeds=1", f"--workdir={tmp_path / 'a'}"]
    done = shell("tune", *searched)
    assert done.returncode == 0, done.stderr
    assert "of 2 trials (2 to the end; " in done.stdout
    assert str(tmp_path / "a" / "index.html") in done.stdout
    done = shell(
        "train", f"--config={tmp_path / 'a' / 'best.py'}", f"--workdir={tmp_path / 'b'}", "--noreport"
    )
    assert done.returncode == 0, done.stderr
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "index.html").write_text("mine")
    for arguments, words in (
        (flags, "--space must be given"),
        ([*flags, f"--space={tmp_path / 'no.toml'}"], "there is no file"),
        ([*flags, f"--space={space}", f"--workdir={tmp_path / 'd'}"], "tune needs an end"),
        ([*searched, "--config.train.max_steps=3"], "config train.max_steps was 2, is 3"),
        ([*searched, "--trials=3"], "it cannot go on to 3"),
        (
            [*flags, f"--space={space}", "--trials=1", f"--workdir={tmp_path / 'c'}"],
            "was not written by ferjax",
        ),
        ([*searched, "--storage=mysql://a/b"], "or the URL of a PostgreSQL database"),
    ):
        assert words in tiny.only_line(shell("tune", *arguments)), arguments
