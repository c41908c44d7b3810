"""The loop over stages: what it restarts, what it chooses from, and how it goes on."""

import contextlib
import json

import jax
import numpy as np
import pytest
import tiny

import ferjax.training.loop
from ferjax.cluster.mesh import make_mesh
from ferjax.config import set_stages
from ferjax.runs.checkpoints import Checkpoints
from ferjax.training.evaluate import Evaluated
from ferjax.training.loop import train_and_evaluate
from ferjax.training.setup import assemble
from ferjax.training.signals import Interrupts
from ferjax.training.splits import load_split

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("tiny_model")]
# 140 images, 8.75 steps an epoch: stages of 4, 4 and 4 steps, a validation every 3 and at each end.
STAGES = (
    {"epochs": 0.45, "learning_rate": 0.05, "freeze": "^(conv|bn)"},
    {"epochs": 0.45, "learning_rate": 0.04, "depth_decay": 0.5},
    {"epochs": 0.45, "learning_rate": 0.02},
)


def staged(tiny_run, *stages, **fields):
    config = tiny_run.config(**{"checkpoint__every_steps": 1, "checkpoint__keep": 99, **fields})
    set_stages(config, *(stages or STAGES))
    return config


@pytest.fixture(scope="module")
def finished(tiny_run, tmp_path_factory):
    """A run of three stages to its end."""
    workdir = tmp_path_factory.mktemp("staged") / "run"
    with tiny.registered():
        train_and_evaluate(staged(tiny_run), workdir)
    return workdir


def at(workdir, config, step):
    """The arrays of a step's checkpoint."""
    parts = assemble(config, load_split(config, "train"), make_mesh(config.mesh))
    with contextlib.closing(Checkpoints(workdir, "tiny", keep=99)) as checkpoints:
        state, meta = checkpoints.restore(step, parts.like)
    return tiny.plain_tree(state), meta


def test_stages_follow_each_other_in_one_run(finished, tiny_run):
    tiny.assert_once(finished)
    found = tiny.rows(finished)
    rates = [row["learning_rate"] for row in found if row["split"] == "train"]
    validated = [row["step"] for row in found if row["split"] == "validation"]
    assert validated == [4, 8, 12]
    assert rates[:4] == [pytest.approx(0.05)] * 4
    assert rates[4] == pytest.approx(0.04)
    assert rates[8] == pytest.approx(0.02)
    config = staged(tiny_run)
    (first, _), (second, _), (third, _) = (at(finished, config, step) for step in (1, 4, 5))
    frozen = [path for path in first if "['conv" in path or "['bn" in path]
    assert len(frozen) > 12
    assert all(first[path].tobytes() == second[path].tobytes() for path in frozen)
    kernel = ".params['conv1']['kernel']"
    assert first[kernel].tobytes() != third[kernel].tobytes()
    trace = next(path for path in first if "trace" in path and "conv1" in path)
    assert not first[trace].any()
    assert third[trace].any()


def test_a_run_that_was_cut_at_any_step_goes_on_as_if_it_had_not(finished, tiny_run, tmp_path, monkeypatch):
    """Cut inside of stages and between them."""
    config = staged(tiny_run)
    workdir = tmp_path / "run"

    class Stopper:
        signal = 15
        asked_within = Interrupts.asked_within

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def asked(self, step):
            return step in (2, 4, 5, 8)

    monkeypatch.setattr(ferjax.training.loop, "Interrupts", Stopper)
    for step in (2, 4, 5, 8):
        with pytest.raises(ferjax.training.loop.Stopped) as stopped:
            train_and_evaluate(config, workdir)
        assert stopped.value.step == step
    train_and_evaluate(config, workdir)
    tiny.assert_same(at(workdir, config, 12)[0], at(finished, config, 12)[0])
    assert tiny.result(workdir) == tiny.result(finished)
    assert tiny.steady(tiny.rows(workdir)) == tiny.steady(tiny.rows(finished))


def validations_give(monkeypatch, *percents):
    """The next validations have these accuracies."""
    accuracies = iter(percents)

    def evaluate(*_):
        hits = next(accuracies)
        confusion = np.zeros((7, 7), np.int64)
        confusion[0, :2] = hits, 100 - hits
        return Evaluated(1.0, confusion, np.zeros((100, 7)))

    monkeypatch.setattr(ferjax.training.loop, "evaluate_rows", evaluate)


def test_parts_of_a_batch_averages_and_the_plateau_work_in_stages(tiny_run, tmp_path, monkeypatch):
    validations_give(monkeypatch, 50, 40, 30, 20, 60, 30, 20, 10)
    stages = ({**STAGES[0], "epochs": 0.8}, {**STAGES[1], "epochs": 0.8})  # 7 steps each
    config = staged(tiny_run, *stages, train__accumulate_steps=2, eval__every_epochs=0.2,
                    train__early_stop_patience=1)  # fmt: skip
    result = train_and_evaluate(config, tmp_path / "run")
    rates = [row["learning_rate"] for row in tiny.rows(tmp_path / "run") if row["split"] == "train"]
    # Validations at 2, 4, 6 and 7: two falls, and in the second stage the rate is whole again.
    assert rates[:7] == pytest.approx([0.05] * 4 + [0.025] * 2 + [0.0125])
    assert rates[7:9] == pytest.approx([0.04] * 2)
    # In the first stage patience ends nothing; in the second 60 is the best, 30 is borne, 20 is not.
    assert (result["best_step"], result["steps"]) == (9, 13)


def test_the_best_step_is_of_stages_that_train_the_classifier(tiny_run, tmp_path, monkeypatch):
    validations_give(monkeypatch, 90, 50, 40)
    config = staged(tiny_run, {**STAGES[0], "cross_entropy": 0.0}, *STAGES[1:])
    monkeypatch.setattr(
        "ferjax.training.objective.auxiliary_loss", lambda sown, rules, labels: jax.numpy.zeros(len(labels))
    )
    result = train_and_evaluate(config, tmp_path / "run")
    assert (result["best_step"], result["validation"]["accuracy"]) == (8, 0.5)


def test_what_stages_do_is_told(tiny_run, tmp_path, capsys):
    config = staged(tiny_run, *STAGES[:2], train__max_steps=5)
    result = train_and_evaluate(config, tmp_path / "run")
    told = capsys.readouterr().out
    assert "stage 1 of 2: to step 4, learning rate 0.05, 1,408 of 1,527 parameters stay (^(conv|bn))" in told
    assert "stage 2 of 2: to step 5, learning rate 0.04" in told
    assert "  learning rate 0.01 (×0.25): conv1, bn1\n  learning rate 0.02 (×0.5): conv2\n" in told
    assert result["steps"] == 5
    assert (
        json.loads((tmp_path / "run" / "config.json").read_text())["stages"]["stage2"]["depth_decay"] == 0.5
    )
