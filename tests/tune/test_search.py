"""The search: its budget, what a kill leaves, what it finds, and how trials end early."""

import math
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from fake_clock import Clock

from ferjax.experiments.leases import Leases
from ferjax.experiments.queue import FOLDER, Queue, workers
from ferjax.tune.search import REASON, SECONDS, Ended, Settings, best, numbered, search
from ferjax.tune.space import Dimension
from ferjax.tune.storage import JOURNAL, import_optuna, open_study


@pytest.fixture
def in_memory():
    """A folder that needs no disk, where the machine has one: a journal waits for the disk at each line."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
        yield Path(folder)


SPACE = (
    Dimension("rate", 1e-4, 1.0, log=True),
    Dimension("kind", choices=("plain", "momentum")),
    Dimension("momentum", 0.0, 0.99, when=(("kind", ("momentum",)),)),
)


def accuracy(values):
    """A valley as of a learning rate: 0.9 at a rate of 0.02 with a momentum of 0.8."""
    distance = math.log10(values["rate"] / 0.02) ** 2
    off = (values["momentum"] - 0.8) ** 2 if values["kind"] == "momentum" else 0.5
    return 0.9 - 0.1 * distance - 0.2 * off


def queue_in(folder, clock=None):
    clock = clock or Clock()
    return Queue(folder, Leases(folder / FOLDER, clock=clock), clock, clock.sleep)


def found_in(folder, settings, objective, study=None, queue=None):
    folder.mkdir(exist_ok=True)
    study = study or import_optuna().create_study(direction="maximize")
    search(study, SPACE, settings, objective, queue or queue_in(folder))
    return study


def instant(proposal):
    return accuracy(proposal.values), 60.0


def test_sixty_trials_come_within_two_percent_of_the_best(tmp_path):
    study = found_in(tmp_path, Settings(trials=60), instant)
    assert list(numbered(study)) == list(range(60))
    assert best(study).value >= 0.98 * 0.9
    assert ("momentum" in best(study).params) == (best(study).params["kind"] == "momentum")
    conditional = [trial for trial in numbered(study).values() if trial.params["kind"] == "plain"]
    assert conditional
    assert not any("momentum" in trial.params for trial in conditional)


def test_the_same_search_draws_the_same_and_goes_on_where_it_was(tmp_path):
    whole = found_in(tmp_path / "whole", Settings(trials=14, seed=3), instant)

    def killed(proposal):
        if proposal.number == 12:
            raise KeyboardInterrupt
        return instant(proposal)

    study = import_optuna().create_study(direction="maximize")
    with pytest.raises(KeyboardInterrupt):
        found_in(tmp_path / "halves", Settings(trials=14, seed=3), killed, study)
    halves = found_in(tmp_path / "halves", Settings(trials=14, seed=3), instant, study)
    other = found_in(tmp_path / "other", Settings(trials=14, seed=4), instant)
    draws = [[trial.params for trial in numbered(study).values()] for study in (whole, halves, other)]
    assert draws[0] == draws[1]
    assert draws[0] != draws[2]


def test_hours_are_those_of_training(tmp_path):
    study = found_in(tmp_path, Settings("random", hours=0.1), instant)  # 360 s are six trials
    assert len(numbered(study)) == 6
    assert {trial.user_attrs[SECONDS] for trial in numbered(study).values()} == {60.0}
    found_in(tmp_path, Settings("random", hours=0.1, trials=8), instant, study)
    assert len(numbered(study)) == 6
    found_in(tmp_path, Settings("random", trials=8), instant, study)
    assert len(numbered(study)) == 8


@pytest.mark.parametrize("pruner", ["median", "halving", "none"])
def test_bad_trials_are_pruned_by_validation_and_never_chosen(tmp_path, pruner):
    seen = []

    def in_epochs(proposal):
        value = 0.0
        for validation in range(1, 9):
            value = accuracy(proposal.values) * validation / 8
            seen.append(proposal.number)
            proposal.report(validation, value, 1.0 * validation)
        return value, 8.0

    study = found_in(tmp_path, Settings("random", pruner, trials=24), in_epochs)
    trials = numbered(study)
    pruned = [number for number, trial in trials.items() if trial.state.name == "PRUNED"]
    assert bool(pruned) == (pruner != "none")
    for number in pruned:
        assert trials[number].user_attrs[REASON] == "pruned"
        assert trials[number].user_attrs[SECONDS] == seen.count(number) < 8
    assert best(study).state.name == "COMPLETE"
    assert best(study).value == max(t.value for t in trials.values() if t.state.name == "COMPLETE")


def test_trials_that_diverge_are_told_and_the_search_goes_on(tmp_path):
    def diverging(proposal):
        if proposal.values["rate"] > 0.05:
            raise Ended("diverged", 2.0)
        return instant(proposal)

    trials = numbered(found_in(tmp_path, Settings("random", trials=12), diverging))
    reasons = [trial.user_attrs.get(REASON) for trial in trials.values()]
    assert len(trials) == 12
    assert {None, "diverged"} == set(reasons)


def test_a_worker_waits_for_the_trial_of_another_and_its_idle_time_is_counted(tmp_path):
    Queue(tmp_path)  # makes the folder
    held = Leases(tmp_path / FOLDER).take("trial-0")
    clock = Clock(lambda number: number == 3 and held.__exit__(None, None, None))
    with held:

        def objective(proposal):
            clock.now += 60
            return instant(proposal)

        study = found_in(tmp_path, Settings(trials=2), objective, queue=queue_in(tmp_path, clock))
    assert [trial.state.name for trial in numbered(study).values()] == ["COMPLETE"] * 2
    (numbers,) = workers(tmp_path)
    assert numbers["busy_seconds"] == 120
    assert numbers["idle_seconds"] == sum(clock.naps) > 0
    assert numbers["tasks"] == 2


@pytest.mark.slow
def test_no_trial_is_lost_or_done_twice_when_workers_are_killed(in_memory):
    tmp_path = in_memory
    script = Path(__file__).with_name("cheap_search.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path), "200", "20"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "20\n", "")
    study = open_study(str(tmp_path / JOURNAL), "cheap", {"trials": 200})
    assert [trial.number for trial in study.trials] == list(range(200))  # none beside the numbered ones
    assert list(numbered(study)) == list(range(200))
    assert all(trial.state.name == "COMPLETE" for trial in study.trials)
    calls = [line.split() for line in (tmp_path / "calls.txt").read_text().splitlines()]
    begun = [number for number, what, _ in calls if what == "begun"]
    taken_over = {number for number in begun if begun.count(number) > 1}
    assert len(taken_over) > 3  # so many workers were killed in the middle of a trial
    assert set(begun) == {str(number) for number in range(200)}
    for number in taken_over:  # and the other one went on with the same values
        assert len({x for each, _, x in calls if each == number}) == 1
