"""Searches: each worker takes trial after trial until the budget is used, and none is lost or done twice.

A trial has a number; who holds the lease of that number begins the trial in the study, or goes on with it if
another worker was killed in it. The objective must keep what it needs for that in its folder.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from itertools import count, islice
from typing import TYPE_CHECKING

from ferjax.data.seeded import Draws
from ferjax.experiments.queue import Queue, Task
from ferjax.tune.space import Dimension, Space, Value

if TYPE_CHECKING:
    from optuna import Study
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial, Trial

SAMPLERS = ("tpe", "random")
PRUNERS = ("median", "halving", "none")
# Attributes of trials.
NUMBER, SECONDS, REASON = "number", "seconds", "reason"
_FIRST_JUDGED = 2  # validation after which the median pruner may end a trial: the first says little
_MOST_WORKERS = 1000  # that may be about to begin a trial


class Ended(Exception):
    """A trial ends before its last validation.

    Attributes:
        seconds: of training that it took.
    """

    def __init__(self, reason: str, seconds: float) -> None:
        super().__init__(reason)
        self.seconds = seconds


@dataclasses.dataclass(frozen=True)
class Proposal:
    """A trial that an objective tries.

    Attributes:
        number: from 0 on.
        values: field → value.
        report: tells the number of a validation, the value after it, and the seconds of training so far;
            raises `Ended` if the trial is not worth going on.
    """

    number: int
    values: Mapping[str, Value]
    report: Callable[[int, float, float], None]


# Returns the value of a proposal, which is maximised, and the seconds of training; raises `Ended`.
Objective = Callable[[Proposal], tuple[float, float]]


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a search goes.

    Attributes:
        sampler: one of `SAMPLERS`.
        pruner: one of `PRUNERS`.
        seed: of what the sampler draws.
        trials: how many; None: as many as `hours` allow.
        hours: of training, of all workers together, after which no trial begins; None: no limit.
    """

    sampler: str = "tpe"
    pruner: str = "median"
    seed: int = 0
    trials: int | None = None
    hours: float | None = None


def search(study: "Study", space: Space, settings: Settings, objective: Objective, queue: Queue) -> None:
    """Tries proposals until the budget is used and no other worker is at a trial.

    Args:
        study: see `ferjax.tune.storage.open_study`.
        space: see `ferjax.tune.space.read`.
        settings: how.
        objective: what is tried.
        queue: of the search's folder.
    """
    study.pruner = _pruner(settings)

    def task(number: int) -> Task:
        return Task(
            f"trial-{number}",
            lambda: _nothing_to_do(study, settings, number),
            lambda: _try(study, space, settings, objective, number),
        )

    while True:
        trials = numbered(study)
        unfinished = [number for number, trial in trials.items() if not trial.state.is_finished()]
        used = _hours_used(trials, settings)
        # When time is up the first number is still asked for: free unless a worker is about to begin it.
        missing = list(islice(_missing(trials, settings), 1 if used else _MOST_WORKERS))
        if not any(queue.attempt(task(number)) for number in [*unfinished, *missing]):
            if not unfinished and not missing:
                return
            queue.wait()
        elif used and not unfinished:
            return


def numbered(study: "Study") -> dict[int, "FrozenTrial"]:
    """Returns the trials of a study by their numbers, in order."""
    return {t.user_attrs[NUMBER]: t for t in sorted(study.get_trials(deepcopy=False), key=_number)}


def best(study: "Study") -> "FrozenTrial | None":
    """Returns the trial with the largest value, the first if several; None if none ran to its end."""
    from optuna.trial import TrialState

    complete = [trial for trial in numbered(study).values() if trial.state == TrialState.COMPLETE]
    return max(complete, key=lambda trial: trial.value or 0.0, default=None)


def seconds_of(trials: Mapping[int, "FrozenTrial"]) -> float:
    """Adds up the training of finished trials."""
    return sum(trial.user_attrs.get(SECONDS, 0.0) for trial in trials.values())


def _number(trial: "FrozenTrial") -> int:
    return trial.user_attrs[NUMBER]


def _missing(trials: Mapping[int, "FrozenTrial"], settings: Settings) -> Iterator[int]:
    """Yields the numbers of the trials that nobody has begun."""
    numbers = count() if settings.trials is None else iter(range(settings.trials))
    return (number for number in numbers if number not in trials)


def _hours_used(trials: Mapping[int, "FrozenTrial"], settings: Settings) -> bool:
    return settings.hours is not None and seconds_of(trials) >= 3600 * settings.hours


def _nothing_to_do(study: "Study", settings: Settings, number: int) -> bool:
    """Tells whether a trial is finished, or may not begin any more."""
    trials = numbered(study)
    if number in trials:
        return trials[number].state.is_finished()
    return _hours_used(trials, settings)


def _try(study: "Study", space: Space, settings: Settings, objective: Objective, number: int) -> None:
    """Begins a trial, or goes on with it, and tells the study how it ended."""
    from optuna.trial import Trial, TrialState, create_trial

    if number not in numbered(study):
        # At once with its number: a kill leaves no trial that nobody knows.
        study.add_trial(create_trial(state=TrialState.RUNNING, user_attrs={NUMBER: number}))
    frozen = numbered(study)[number]
    study.sampler = _sampler(settings, number)
    trial = Trial(study, frozen._trial_id)
    values: dict[str, Value] = {}
    for dimension in space:
        if dimension.applies(values):  # what was drawn before a kill is given again
            values[dimension.field] = _draw(trial, dimension)

    def report(validation: int, value: float, seconds: float) -> None:
        if validation not in frozen.intermediate_values:
            trial.report(value, validation)
        if trial.should_prune():
            raise Ended("pruned", seconds)

    try:
        value, seconds = objective(Proposal(number, values, report))
    except Ended as ended:
        trial.set_user_attr(SECONDS, ended.seconds)
        trial.set_user_attr(REASON, str(ended))
        study.tell(trial, state=TrialState.PRUNED)
    else:
        trial.set_user_attr(SECONDS, seconds)
        study.tell(trial, value)


def _draw(trial: "Trial", dimension: Dimension) -> Value:
    if dimension.choices:
        choice = trial.suggest_categorical(dimension.field, dimension.choices)
        assert choice is not None  # TOML has no such value
        return choice
    assert dimension.low is not None
    assert dimension.high is not None
    if dimension.whole:
        low, high, step = int(dimension.low), int(dimension.high), int(dimension.step or 1)
        return trial.suggest_int(dimension.field, low, high, step=step, log=dimension.log)
    return trial.suggest_float(
        dimension.field, dimension.low, dimension.high, step=dimension.step, log=dimension.log
    )


def _sampler(settings: Settings, number: int) -> "BaseSampler":
    """Returns a sampler with the trial's own seed, so that a search of one worker draws the same again."""
    from optuna.samplers import RandomSampler, TPESampler

    seed = Draws("tune", settings.seed, number).below(2**32)
    return RandomSampler(seed) if settings.sampler == "random" else TPESampler(seed=seed)


def _pruner(settings: Settings) -> "BasePruner":
    from optuna.pruners import MedianPruner, NopPruner, SuccessiveHalvingPruner

    if settings.pruner == "median":
        return MedianPruner(n_warmup_steps=_FIRST_JUDGED)
    return SuccessiveHalvingPruner() if settings.pruner == "halving" else NopPruner()
