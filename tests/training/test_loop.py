"""The loop as a function: what it chooses, when it ends, what it leaves behind."""

import json
import shutil

import numpy as np
import pytest
import tiny

import ferjax.training.calls
import ferjax.training.finish
import ferjax.training.loop
from ferjax.errors import UserError
from ferjax.report import wording
from ferjax.runs.checksum import checksum
from ferjax.training.evaluate import Evaluated
from ferjax.training.loop import train_and_evaluate

pytestmark = pytest.mark.usefixtures("tiny_model")
# 140 images: 8.75 steps an epoch, a validation every 3.
QUICK = {"checkpoint__every_steps": 0, "train__epochs": 1.0}
LONG = {"checkpoint__every_steps": 0, "train__epochs": 9.0}


def scripted(monkeypatch, accuracies):
    """Replaces what validations find; tells the checksums of the weights that each evaluation saw."""
    seen = []
    real = ferjax.training.finish.evaluate_rows

    def evaluate(eval_step, variables, source, batch_size, mesh):
        seen.append((source.split, checksum(variables)))
        hits = accuracies[len(seen) - 1]
        confusion = np.zeros((7, 7), np.int64)
        confusion[0, :2] = hits, 100 - hits
        return Evaluated(1.0, confusion, np.zeros((100, 7)))

    def evaluate_rows(eval_step, variables, source, batch_size, mesh):
        seen.append((f"last {source.split}", checksum(variables)))
        return real(eval_step, variables, source, batch_size, mesh)

    monkeypatch.setattr(ferjax.training.loop, "evaluate_rows", evaluate)
    monkeypatch.setattr(ferjax.training.finish, "evaluate_rows", evaluate_rows)
    return seen


LAST = ["last validation", "last test"]


@pytest.mark.slow
def test_the_first_best_validation_is_tested(tiny_run, tmp_path, monkeypatch):
    seen = scripted(monkeypatch, [30, 50, 50, 20])
    config = tiny_run.config(**LONG, train__max_steps=12, checkpoint__keep=1)
    result = train_and_evaluate(config, tmp_path)
    assert [split for split, _ in seen] == ["validation"] * 4 + LAST
    assert len({weights for _, weights in seen}) == 4
    assert seen[4][1] == seen[5][1] == seen[1][1]  # of the second validation, step 6
    assert result["best_step"] == 6
    assert result["steps"] == 12
    assert result["validation"]["accuracy"] == 0.5
    kept = sorted(int(path.name) for path in (tmp_path / "checkpoints").iterdir())
    assert kept == [6, 12]


@pytest.mark.slow
def test_the_best_epoch_on_test_is_told_and_never_chosen(tiny_run, tmp_path, monkeypatch):
    # Validation and test in turns: validation is best at step 6, test at step 9.
    seen = scripted(monkeypatch, [30, 60, 50, 70, 40, 90, 20, 10])
    config = tiny_run.config(**LONG, train__max_steps=12, checkpoint__keep=1, eval__also_best_on_test=True)
    result = train_and_evaluate(config, tmp_path)
    assert [split for split, _ in seen] == ["validation", "test"] * 4 + LAST
    assert (result["best_step"], result["validation"]["accuracy"]) == (6, 0.5)
    assert seen[8][1] == seen[9][1] == seen[2][1]  # the weights of step 6 are tested
    best = result["best_on_test"]
    assert (best["step"], best["accuracy"]) == (9, 0.9)
    assert [row["step"] for row in tiny.rows(tmp_path) if row["split"] == "test_each_validation"] == [
        3,
        6,
        9,
        12,
    ]
    told = wording.best_on_test(result)
    assert told.startswith("Best epoch on test, as much of the field reports it: 90.00% at step 9, +")
    assert told.endswith("No weights were chosen by it, and it is not a result")
    assert wording.best_on_test({**result, "best_on_test": None}) == ""


@pytest.mark.slow
def test_a_damaged_best_checkpoint_is_told(tiny_run, tmp_path, monkeypatch):
    scripted(monkeypatch, [30, 20, 10])
    config = tiny_run.config(**LONG, train__max_steps=9)
    train_and_evaluate(config, tmp_path)
    (tmp_path / "result.json").unlink()
    tiny.flip(tmp_path / "checkpoints" / "3" / "state")
    with pytest.raises(UserError, match="checkpoints/3 is damaged"):
        train_and_evaluate(config, tmp_path)


@pytest.mark.slow
def test_patience_ends_a_run_that_gets_no_better(tiny_run, tmp_path, monkeypatch):
    seen = scripted(monkeypatch, [30, 40, 40, 40, 35, 90, 90, 90])
    config = tiny_run.config(**LONG, train__early_stop_patience=2)
    result = train_and_evaluate(config, tmp_path)
    # Best at 6; 9 and 12 are borne, 15 is not.
    assert [split for split, _ in seen] == ["validation"] * 5 + LAST
    assert (result["best_step"], result["steps"]) == (6, 15)
    (tmp_path / "result.json").unlink()
    again = train_and_evaluate(config, tmp_path)  # the patience is still over
    assert tiny.steady(again) == tiny.steady(result)


@pytest.mark.slow
def test_without_patience_the_run_goes_to_its_end(tiny_run, tmp_path, monkeypatch):
    scripted(monkeypatch, [50, 40, 40, 40, 40])
    result = train_and_evaluate(tiny_run.config(**LONG, train__max_steps=13), tmp_path)
    assert (result["best_step"], result["steps"]) == (3, 13)


@pytest.mark.slow
def test_the_plateau_lowers_the_rate_of_the_steps_after_it(tiny_run, tmp_path, monkeypatch):
    scripted(monkeypatch, [50, 40, 60, 60])
    train_and_evaluate(tiny_run.config(**LONG, train__max_steps=11), tmp_path)
    rates = [row["learning_rate"] for row in tiny.rows(tmp_path) if row["split"] == "train"]
    assert rates == pytest.approx([0.05] * 6 + [0.025] * 5)


@pytest.mark.slow
def test_rows_are_sums_over_their_steps(tiny_run, tmp_path):
    config = tiny_run.config(train__max_steps=6, eval__every_epochs=9.0, checkpoint__every_steps=0)
    train_and_evaluate(config, tmp_path / "each")
    config.train.log_every = 4
    train_and_evaluate(config, tmp_path / "some")
    each = {row["step"]: row for row in tiny.rows(tmp_path / "each") if row["split"] == "train"}
    some = {row["step"]: row for row in tiny.rows(tmp_path / "some") if row["split"] == "train"}
    assert sorted(some) == [1, 4, 6]  # the first, so that one sees it start, and the last
    for last, members in ((4, (2, 3, 4)), (6, (5, 6))):
        assert some[last]["accuracy"] == pytest.approx(np.mean([each[step]["accuracy"] for step in members]))
    # The batches' weights differ, so their mean losses do not simply average.
    assert some[6]["loss"] != pytest.approx((each[5]["loss"] + each[6]["loss"]) / 2, rel=1e-6)
    assert some[6]["loss"] == pytest.approx((each[5]["loss"] + each[6]["loss"]) / 2, rel=0.05)


def test_a_workdir_holds_what_the_contract_says(tiny_run, tmp_path):
    result = train_and_evaluate(tiny_run.config(**QUICK), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        ".lock", "checkpoints", "config.json", "evaluations", "metrics.jsonl", "result.json", "tensorboard",
    }  # fmt: skip
    assert json.loads((tmp_path / "result.json").read_text()) == json.loads(json.dumps(result))
    assert (result["model"], result["dataset"], result["seed"]) == ("tiny", "fer2013", 0)
    assert result["epochs"] == pytest.approx(9 / 8.75)
    assert result["device"]["count"] == 1
    assert result["images_per_second"] > 0
    assert set(result["split_digests"]) == {"train", "validation", "test"}
    assert sum(map(sum, result["test"]["confusion_matrix"])) == tiny.SPLITS["PrivateTest"]
    assert result["overlap"] == {"images": 28, "train": 0, "validation": 0, "earlier": 0, "unchecked": []}
    assert "init" not in result
    tiny.assert_once(tmp_path)


@pytest.mark.slow
def test_the_same_command_twice_gives_the_same_numbers(tiny_run, tmp_path):
    for name in ("one", "two"):
        train_and_evaluate(tiny_run.config(**QUICK, train__max_steps=4), tmp_path / name)
    tiny.assert_same(tiny.newest(tmp_path / "one")[0], tiny.newest(tmp_path / "two")[0])
    assert tiny.result(tmp_path / "one") == tiny.result(tmp_path / "two")


@pytest.mark.slow
def test_free_fields_change_no_number(tiny_run, tmp_path):
    config = tiny_run.config(**QUICK, train__max_steps=4, eval__every_epochs=0.25)
    train_and_evaluate(config, tmp_path / "one")
    config.data.update(cache="stream", workers=0)
    config.checkpoint.update(keep=5, every_steps=1)
    config.train.log_every = 3
    train_and_evaluate(config, tmp_path / "two")
    tiny.assert_same(tiny.newest(tmp_path / "one")[0], tiny.newest(tmp_path / "two")[0])
    assert tiny.result(tmp_path / "one") == tiny.result(tmp_path / "two")


@pytest.mark.slow
def test_a_loss_that_is_not_finite_stops_and_earlier_checkpoints_stay(tiny_run, tmp_path):
    config = tiny_run.config(checkpoint__every_steps=1, schedule__learning_rate=1e30)
    with pytest.raises(UserError, match=r"the loss is nan at step \d: the run has diverged; lower"):
        train_and_evaluate(config, tmp_path)
    kept = sorted(int(path.name) for path in (tmp_path / "checkpoints").iterdir())
    assert kept
    assert not (tmp_path / "result.json").exists()
    found = [row for row in tiny.rows(tmp_path) if row["split"] == "train"]
    assert [row["step"] for row in found] == list(range(1, kept[-1] + 1))
    assert all(row["loss"] is not None for row in found)


def test_a_validation_loss_that_is_not_finite_stops(tiny_run, tmp_path, monkeypatch):
    diverged = Evaluated(float("inf"), np.eye(7, dtype=int), np.zeros((7, 7)))
    monkeypatch.setattr(ferjax.training.loop, "evaluate_rows", lambda *_: diverged)
    with pytest.raises(UserError, match="the validation loss is inf at step 3: the run has diverged"):
        train_and_evaluate(tiny_run.config(**QUICK), tmp_path)


def test_the_step_takes_nothing_from_the_host(tiny_run, tmp_path, monkeypatch):
    """Rows that were not put on the devices first are refused by the transfer guard."""
    monkeypatch.setattr(ferjax.training.calls, "global_batch", lambda rows, mesh: rows)
    with pytest.raises(Exception, match="Disallowed host-to-device transfer"):
        train_and_evaluate(tiny_run.config(**QUICK), tmp_path)


def test_checkpoints_of_another_network_are_refused(tiny_run, tmp_path):
    config = tiny_run.config(**QUICK, train__max_steps=2)
    train_and_evaluate(config, tmp_path / "one")
    other = tmp_path / "two"
    other.mkdir()
    shutil.copytree(tmp_path / "one" / "checkpoints", other / "checkpoints")
    config.model.update(name="resemotenet")
    del config.model.norm, config.model.dropout
    (other / "config.json").write_text(json.dumps(config.to_dict()))
    with pytest.raises(UserError, match="is of the network tiny, not resemotenet; use another --workdir"):
        train_and_evaluate(config, other)
    assert sorted(path.name for path in (other / "checkpoints").iterdir()) == ["2"]


def test_what_cannot_be_built_fails_before_anything_is_written(tiny_run, tmp_path):
    for fields, words in (
        ({"train__batch_size": 0}, "train.batch_size is 0; it must be at least 1"),
        ({"mesh__data": 3}, "needs 3 devices, but there are 1"),
        ({"data__name": "fer2014"}, "there is no data set 'fer2014'; the nearest names are fer2013"),
        ({"data__dir": str(tmp_path / "none")}, "not built in .*none.* prepare fer2013 --manual_dir"),
    ):
        with pytest.raises(UserError, match=words):
            train_and_evaluate(tiny_run.config(**fields), tmp_path / "run")
        assert not (tmp_path / "run" / "checkpoints").exists()
