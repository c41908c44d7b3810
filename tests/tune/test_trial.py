"""Trials with the tiny network: they never open test, share programs, go on after a kill, and end early."""

import json
import shutil

import pytest
import tiny

from ferjax.errors import UserError
from ferjax.experiments.runs import with_seed
from ferjax.files import read_json
from ferjax.training.loop import train_and_evaluate
from ferjax.tune.search import Ended, Proposal
from ferjax.tune.space import Dimension
from ferjax.tune.trial import RATE, TrialRunner, with_inner_fold

pytestmark = pytest.mark.usefixtures("tiny_model")
SPACE = (Dimension(RATE, 1e-3, 0.1, log=True), Dimension("model.dropout", choices=(0.0, 0.2)))
QUICK = {"checkpoint__every_steps": 0, "train__epochs": 1.0}


def proposal(report=lambda *_: None, number=0, **values):
    return Proposal(number, {RATE: 0.05, **values}, report)


@pytest.fixture
def without_test(tiny_run, tmp_path):
    """The tiny data set after somebody has removed the files of its test split."""
    folder = tmp_path / "data"
    shutil.copytree(tiny_run.data, folder)
    removed = [path for path in folder.rglob("*test*") if path.is_file()]
    assert removed
    for path in removed:
        path.unlink()
    return str(folder)


def test_a_trial_runs_where_there_is_no_test_split(tiny_run, without_test, tmp_path):
    config = tiny_run.config(**QUICK, data__dir=without_test, train__max_steps=4)
    with pytest.raises((UserError, FileNotFoundError)):
        train_and_evaluate(config, tmp_path / "run")  # which needs it
    told = []
    runner = TrialRunner(config, SPACE, tmp_path, seeds=1)
    value, seconds = runner(proposal(lambda *row: told.append(row)))
    folder = tmp_path / "trials" / "0" / "seed-0"
    assert {row["split"] for row in tiny.rows(folder)} == {"train", "validation"}
    accuracies = [row["accuracy"] for row in tiny.rows(folder) if row["split"] == "validation"]
    assert value == max(accuracies)
    assert [row[:2] for row in told] == [(n, max(accuracies[:n])) for n in range(1, len(accuracies) + 1)]
    assert seconds > 0
    assert not (folder / "checkpoints").exists()
    assert not (folder / "result.json").exists()


@pytest.mark.slow
def test_trials_that_compile_alike_share_a_program_and_give_the_numbers_of_runs(tiny_run, tmp_path):
    config = tiny_run.config(**QUICK)
    runner = TrialRunner(config, SPACE, tmp_path, seeds=2)
    for number, rate in enumerate((0.01, 0.05, 0.002)):
        runner(proposal(number=number, **{RATE: rate}))
    assert runner._prepare.assembled == 1
    for compiled in (*runner._prepare._parts.train_steps, runner._prepare._parts.eval_step):
        assert compiled._cache_size() == 1
    runner(proposal(number=3, **{"model.dropout": 0.0}))
    assert runner._prepare.assembled == 2
    train_and_evaluate(with_seed(config, 1), tmp_path / "alone")  # its rate is 0.05
    pairs = zip(tiny.rows(tmp_path / "trials/1/seed-1"), tiny.rows(tmp_path / "alone"), strict=False)
    for shared, alone in pairs:
        assert (shared["step"], shared["split"]) == (alone["step"], alone["split"])
        assert shared["loss"] == pytest.approx(alone["loss"], rel=2e-3)
        assert shared.get("learning_rate") == pytest.approx(alone.get("learning_rate"))


@pytest.mark.slow
def test_a_trial_that_was_stopped_goes_on_to_the_same_end(tiny_run, tmp_path):
    config = tiny_run.config(**QUICK)

    def kill(validation, value, seconds):
        if validation == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        TrialRunner(config, SPACE, tmp_path / "a", seeds=1)(proposal(kill))
    told = []
    second = TrialRunner(config, SPACE, tmp_path / "a", seeds=1)
    value, _ = second(proposal(lambda *row: told.append(row[0])))
    assert value == TrialRunner(config, SPACE, tmp_path / "b", seeds=1)(proposal())[0]
    rows = [tiny.steady(tiny.rows(tmp_path / name / "trials/0/seed-0")) for name in "ab"]
    assert rows[0] == rows[1]
    assert told[0] == 2  # from the checkpoint of the first validation on
    assert TrialRunner(config, SPACE, tmp_path / "a", seeds=1)(proposal())[0] == value  # read, not trained


@pytest.mark.slow
def test_trials_end_early_and_leave_no_checkpoint(tiny_run, tmp_path):
    config = tiny_run.config(**QUICK)
    runner = TrialRunner(config, SPACE, tmp_path, seeds=1)

    def prune(validation, value, seconds):
        raise Ended("pruned", seconds)

    with pytest.raises(Ended, match="pruned"):
        runner(proposal(prune))
    assert not (tmp_path / "trials/0/seed-0/checkpoints").exists()
    with pytest.raises(Ended, match="diverged"):
        runner(proposal(number=1, **{RATE: 1e30}))
    with pytest.raises(Ended, match=r"impossible: train\.batch_size 16 is not divisible"):
        runner(proposal(number=2, **{"train.accumulate_steps": 3}))
    assert not (tmp_path / "trials/2").exists()


@pytest.mark.slow
def test_the_value_is_the_mean_over_the_seeds(tiny_run, tmp_path):
    config = tiny_run.config(**QUICK, train__max_steps=6, train__seed=5)
    told = []
    value, _ = TrialRunner(config, SPACE, tmp_path, seeds=2)(proposal(lambda *row: told.append(row)))
    outcomes = [read_json(tmp_path / f"trials/0/seed-{seed}/validation.json") for seed in (5, 6)]
    assert value == sum(outcome["accuracy"] for outcome in outcomes) / 2
    rows = json.dumps(
        [row for row in tiny.rows(tmp_path / "trials/0/seed-5") if row["split"] == "validation"]
    )
    assert len(told) == rows.count('"validation"')  # of the first seed alone


@pytest.mark.slow
def test_a_trial_is_judged_on_each_inner_fold_with_one_program(tiny_run, without_test, tmp_path):
    config = tiny_run.config(**QUICK, data__dir=without_test, train__max_steps=4)
    told = []
    runner = TrialRunner(config, SPACE, tmp_path, seeds=2, folds=3)
    value, _ = runner(proposal(lambda *row: told.append(row)))
    folders = [
        tmp_path / f"trials/0/fold-{number}-of-3/seed-{seed}" for number in (1, 2, 3) for seed in (0, 1)
    ]
    outcomes = [read_json(folder / "validation.json")["accuracy"] for folder in folders]
    assert value == pytest.approx(sum(outcomes) / 6)
    stored = [read_json(folder / "config.json")["data"]["inner_fold"] for folder in folders]
    assert stored == ["1/3", "1/3", "2/3", "2/3", "3/3", "3/3"]
    assert {row["split"] for folder in folders for row in tiny.rows(folder)} == {"train", "validation"}
    assert len(told) == len([row for row in tiny.rows(folders[0]) if row["split"] == "validation"])
    assert runner._prepare.assembled == 1
    assert runner._prepare._parts.train_steps[0]._cache_size() == 1
    # A worker that goes on in a later fold has the program of the first.
    shutil.rmtree(folders[-1])
    again = TrialRunner(config, SPACE, tmp_path, seeds=2, folds=3)
    assert again(proposal())[0] == value
    assert again._prepare._alike.data.inner_fold == "1/3"


@pytest.mark.slow
def test_what_another_search_left_is_not_taken(tiny_run, tmp_path):
    config = tiny_run.config(**QUICK, train__max_steps=2)
    runner = TrialRunner(config, SPACE, tmp_path, seeds=1)
    value, _ = runner(proposal())
    assert runner(proposal())[0] == value
    with pytest.raises(
        UserError, match=r"belongs to another config \(schedule.learning_rate was 0.05, is 0.1"
    ):
        runner(proposal(**{RATE: 0.1}))
    stored = tmp_path / "trials/0/seed-0/validation.json"
    for content in ("[]", "{}", '{"accuracy": "0.5", "seconds": 1.0}'):
        stored.write_text(content)
        with pytest.raises(UserError, match=r"validation.json is damaged; remove its folder"):
            runner(proposal())


@pytest.mark.slow
def test_steps_that_know_single_examples_are_built_for_each_fold(tiny_run, tmp_path):
    groups = {"data__groups": "class", "loss__group_dro": 0.01, "loss__class_weights": "none"}
    config = tiny_run.config(**QUICK, **groups, train__max_steps=2)
    runner = TrialRunner(config, SPACE, tmp_path, seeds=1, folds=2)
    runner(proposal())
    assert runner._prepare.assembled == 2
    assert with_inner_fold(tiny_run.config(data__cache="device"), "1/2").data.cache == "memory"
