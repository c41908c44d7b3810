"""Searches, trains the winner anew, tests it once, and writes what was found."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_collections import ConfigDict

import ferjax
from ferjax.config import flat, validate
from ferjax.errors import UserError
from ferjax.experiments import queue
from ferjax.experiments.queue import Queue, Task
from ferjax.experiments.runs import QueueRunner, seed_runs
from ferjax.files import plain, read_json, write_json_atomic
from ferjax.platform import outputs
from ferjax.runs.config_check import fixed_fields
from ferjax.training.splits import load_split
from ferjax.tune import page, record
from ferjax.tune.best_file import config_file
from ferjax.tune.search import Settings, best, numbered, search
from ferjax.tune.space import Space, with_values
from ferjax.tune.storage import JOURNAL, describing_losses, open_study, without_password
from ferjax.tune.trial import TrialRunner, inner_folds, with_inner_fold

if TYPE_CHECKING:
    from optuna import Study

_CLOSED = "winner.json"


def tune(
    config: ConfigDict,
    space: Space,
    workdir: Path,
    settings: Settings,
    *,
    storage: str = "",
    name: str = "ferjax",
    trial_seeds: int = 1,
    final_seeds: int = 5,
    folds: int = 0,
) -> dict[str, Any]:
    """Searches a space around a recipe; the same call in several processes divides the work, and goes on.

    Args:
        config: the recipe. Trials use the seeds `train.seed`, …, the winner the ones after those.
        space: see `ferjax.tune.space.read`.
        workdir: the search's folder, on a disk that all workers see.
        settings: how it is searched.
        storage: see `ferjax.tune.storage.open_study`; a journal in the workdir if empty.
        name: of the study, where a database holds several.
        trial_seeds: seeds of each trial, at least one.
        final_seeds: seeds with which the winner is trained and tested; 0: the search may go on later.
        folds: inner folds that each trial is trained and judged on, at least two; 0: on train and validation.

    Returns:
        The content of `tune.json`: `model`, `dataset`, `search`, `space`, `trials`, `best`, `importance`,
        `tested` (None without final seeds), `workers`, `date`, `ferjax`.

    Raises:
        UserError: bad input, a study of another search, or one whose winner has been chosen.
        Stopped: a signal came; the same call goes on.
    """
    if settings.trials is None and settings.hours is None:
        raise UserError("tune needs an end: give --trials, --hours or both")
    validate(config)
    if folds:
        _check_folds(config, folds)
    outputs.check(page.VERB, *page.written_files(workdir), advice="take another --workdir")
    where = storage or str(workdir / JOURNAL)
    described = {
        "config": fixed_fields(config.to_dict()),
        "space": {dimension.field: plain(asdict(dimension)) for dimension in space},
        "sampler": settings.sampler,
        "pruner": settings.pruner,
        "seed": settings.seed,
        "trial seeds": trial_seeds,
        "folds": folds,
    }
    outputs.make_folder(workdir)
    work = Queue(workdir)
    with work.alone("study"):  # two at once would both make a database's tables
        study = open_study(where, name, described)
    closed = workdir / _CLOSED
    if closed.exists():
        _check_closed(closed, settings, final_seeds, len(numbered(study)))
    else:
        with describing_losses(where):
            search(study, space, settings, TrialRunner(config, space, workdir, trial_seeds, folds), work)
    winner, results = _winner(study, space), []
    if final_seeds:
        work.work([Task("winner", closed.exists, lambda: write_json_atomic(closed, _closing(study, winner)))])
        winner = _read_closed(closed)["winner"]
        first = config.train.seed + trial_seeds
        best_config = with_values(config, winner["values"])
        runs = seed_runs(best_config, range(first, first + final_seeds), workdir / "best")
        results = QueueRunner(workdir, work).run_all(runs)
    report = {
        "model": config.model.name,
        "dataset": config.data.name,
        "search": {
            **asdict(settings),
            "trial_seeds": trial_seeds,
            "folds": folds,
            "storage": without_password(where),
        },
        "space": record.space_rows(space),
        "trials": record.trials(study),
        "best": {**winner, "base": _base(config, space)},
        "importance": record.importance(study),
        "tested": record.tested(results) if results else None,
        "workers": queue.workers(workdir),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "ferjax": ferjax.__version__,
    }
    about = f"{config.model.name} on {config.data.name}, found by ferjax tune. {record.statement(report)}"
    text = config_file(with_values(config, winner["values"]), about, outputs.mark(page.VERB).decode())
    outputs.write(page.VERB, workdir / page.BEST, text.encode())
    page.write(workdir, report)
    return report


def _check_folds(config: ConfigDict, folds: int) -> None:
    """Raises UserError, before anything is trained, if the data cannot be divided into the inner folds."""
    if config.data.inner_fold:
        raise UserError(
            f"the recipe has data.inner_fold={config.data.inner_fold}, which --folds={folds} sets for each "
            "trial: leave one of the two out"
        )
    if folds < 2:
        raise UserError(f"--folds={folds}: take 2 or more, or 0 to judge trials on validation")
    load_split(with_inner_fold(config, inner_folds(folds)[0]), "validation", cache="stream")


def _winner(study: "Study", space: Space) -> dict[str, Any]:
    """Returns the best trial: `number`, `values`, `accuracy`."""
    trial = best(study)
    if trial is None:
        ended = record.trials(study)
        if not ended:
            raise UserError("no trial was begun: give --hours above 0")
        raise UserError(
            f"none of {len(ended)} trials ran to its end (the first: {ended[0]['ended']}): change the space, "
            "in a new --workdir"
        )
    number = next(number for number, each in numbered(study).items() if each.number == trial.number)
    values = {d.field: trial.params[d.field] for d in space if d.field in trial.params}
    return {"number": number, "values": values, "accuracy": trial.value}


def _closing(study: "Study", winner: Mapping[str, Any]) -> dict[str, Any]:
    return {"winner": winner, "trials": len(numbered(study))}


def _read_closed(path: Path) -> dict[str, Any]:
    closing = read_json(path)
    winner = closing.get("winner") if isinstance(closing, dict) else None
    whole = isinstance(winner, dict) and winner.keys() >= {"number", "values", "accuracy"}
    if not whole or type(closing.get("trials")) is not int:
        raise UserError(f"{path} is damaged: restore it, or search again in another --workdir")
    return closing


def _check_closed(path: Path, settings: Settings, final_seeds: int, known: int) -> None:
    """Refuses to search on once the winner was chosen to be tested: a second choice would be by the test."""
    trials = _read_closed(path)["trials"]
    if known < trials:
        raise UserError(
            f"the search in {path.parent} has ended with {trials} trials, and this study has {known}: give "
            "the --storage and --study that it had, or take another --workdir"
        )
    if not final_seeds:
        raise UserError(
            f"the search in {path.parent} has ended, and its winner is tested: leave --final_seeds=0 out"
        )
    if settings.trials is not None and settings.trials > trials:
        raise UserError(
            f"the search in {path.parent} ended with {trials} trials, and its winner is tested: it cannot go "
            f"on to {settings.trials}; take another --workdir"
        )


def _base(config: ConfigDict, space: Space) -> dict[str, Any]:
    """Returns the recipe's own values of the searched fields; None for an option that it does not set."""
    fields = dict(flat(config))
    return {dimension.field: fields.get(dimension.field) for dimension in space}
