"""Trains on each of several sets and tests on all: how well a network does on a set it was not trained on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from ferjax.data.label_spaces import bridge
from ferjax.errors import UserError
from ferjax.experiments.queue import Task
from ferjax.experiments.runs import Runner, check_files, seed_folder, seed_runs, write_report
from ferjax.files import file_name, read_json
from ferjax.inference.score_run import evaluate_run, load_for, present_classes
from ferjax.report.claims import CROSS_DATABASE, SE_RESNET
from ferjax.report.tables import markdown
from ferjax.report.wording import overlap, percent
from ferjax.runs import predictions
from ferjax.scores import significance
from ferjax.training.splits import load_split

FILE = "crossdb.json"
SCORES = ("accuracy", "mean_class_accuracy", "macro_f1")


def crossdb(
    config: ConfigDict, sets: Sequence[str], workdir: Path | str, seeds: int = 1, runner: Runner | None = None
) -> dict[str, Any]:
    """Trains one recipe on each set, tests every network on every set, and writes `crossdb.json`.

    A network is tested on the test split. Classes that a set lacks get probability zero, classes that the
    network lacks are left out (see `ferjax.inference.score_run`). Finished runs are read, not trained again.

    Args:
        config: the recipe; its `data.name` is replaced.
        sets: names of data sets, at least two.
        workdir: gets a folder for each set and seed.
        seeds: the number of seeds: `train.seed`, `train.seed` + 1, …
        runner: see `ferjax.experiments.runs`.

    Returns:
        `model`, `sets`, `seeds`, and `cells`: for each pair `trained_on`, `tested_on`, `scores` (name → one a
        seed), `images`, `masked`, `dropped` and `overlap`.

    Raises:
        UserError: bad input; raised before anything is trained.
        Stopped: a signal came; the same call goes on.
    """
    if len(set(sets)) < 2 or len(set(sets)) != len(sets):
        raise UserError(f"crossdb needs at least two different sets, got {', '.join(sets) or 'none'}")
    if seeds < 1:
        raise UserError(f"crossdb with {seeds} seeds trains nothing; give at least 1")
    recipes = {name: _for_set(config, name) for name in sets}
    _check(recipes)
    check_files(Path(workdir) / FILE)
    runner = runner or Runner()
    cells = {
        (trained, tested): {"trained_on": trained, "tested_on": tested, "scores": {s: [] for s in SCORES}}
        for trained in sets
        for tested in sets
    }
    chosen = list(range(config.train.seed, config.train.seed + seeds))
    folders = {trained: Path(workdir) / file_name(trained) for trained in sets}
    runs = [run for name, each in recipes.items() for run in seed_runs(each, chosen, folders[name])]
    remaining = iter(runner.run_all(runs))
    results = {(trained, seed): next(remaining) for trained in sets for seed in chosen}
    crossed = {
        (trained, seed, tested): seed_folder(folders[trained], seed)
        for trained, seed in results
        for tested in sets
        if tested != trained
    }
    runner.do_all(
        [
            _scoring(folder, results[trained, seed], recipes[trained], tested)
            for (trained, seed, tested), folder in crossed.items()
        ]
    )
    for trained in sets:
        for seed in chosen:
            for tested in sets:
                folder = crossed.get((trained, seed, tested))
                scored = read_json(_scores(folder, tested)) if folder else results[trained, seed]
                cell = cells[trained, tested]
                for score in SCORES:
                    cell["scores"][score].append(scored["test"][score])
                cell["images"] = int(np.sum(scored["test"]["confusion_matrix"]))
                cell["masked"], cell["dropped"] = scored.get("masked", []), scored.get("dropped", {})
                cell["overlap"] = scored.get("overlap")
    report = {
        "model": config.model.name,
        "sets": list(sets),
        "seeds": chosen,
        "cells": list(cells.values()),
    }
    write_report(Path(workdir) / FILE, report)
    return report


def _scoring(folder: Path, result: dict[str, Any], recipe: ConfigDict, tested: str) -> Task:
    """Returns the task to score a finished run on another set."""

    def done() -> bool:
        if not (stored := _scores(folder, tested)).exists():
            return False
        scores = read_json(stored)
        digest = load_for(recipe, tested, "test", recipe.data.dir).digest()
        return scores["step"] == result["best_step"] and scores["split_digest"] == digest

    name = file_name("scores", folder.parent.name, folder.name, tested)
    return Task(name, done, lambda: evaluate_run(folder, tested))


def _scores(folder: Path, tested: str) -> Path:
    return predictions.place(folder, tested, "test", "json")


def _for_set(config: ConfigDict, dataset: str) -> ConfigDict:
    recipe = config.copy_and_resolve_references()
    recipe.data.name = dataset
    return recipe


def _check(recipes: dict[str, ConfigDict]) -> None:
    """Checks that every set is there and shares a class with every other, before anything is trained."""
    tests = {name: load_split(recipe, "test", cache="stream") for name, recipe in recipes.items()}
    for trained in recipes:
        for tested, recipe in recipes.items():
            if trained == tested:
                continue
            source = load_for(recipes[trained], tested, "test", recipe.data.dir)
            try:
                present = present_classes(tested, source, recipe.data.dir)
                bridge(tests[trained].label_names, source.label_names, present)
            except UserError as error:
                raise UserError(f"{trained} and {tested} cannot be crossed: {error}") from error


def table(report: dict[str, Any]) -> str:
    """Formats the matrix as text that is also Markdown, with the paper's beside it; accuracy in percent."""
    cells = {(cell["trained_on"], cell["tested_on"]): cell for cell in report["cells"]}
    sets, n = report["sets"], len(report["seeds"])
    rows = [[trained, *(_cell(cells[trained, tested]) for tested in sets)] for trained in sets]
    lines = [
        f"{report['model']}, test accuracy, {n} {'seed' if n == 1 else 'seeds, mean ± 95% (Student)'}",
        "",
        markdown(["trained on \\ tested on", *sets], rows),
    ]
    for cell in report["cells"]:
        if notes := _notes(cell):
            lines += ["", f"{cell['trained_on']} on {cell['tested_on']}: {'; '.join(notes)}."]
    known = ("affectnet7", "rafdb")
    rows = [[trained, *(percent(CROSS_DATABASE[trained, tested]) for tested in known)] for trained in known]
    lines += [
        "",
        f"Claimed by {SE_RESNET}, Tables 2 and 3 (SE-ResNet-18, accuracy on validation; not measured here)",
        "",
        markdown(["trained on \\ tested on", *known], rows),
    ]
    return "\n".join(lines)


def _cell(cell: dict[str, Any]) -> str:
    values = cell["scores"]["accuracy"]
    if len(values) == 1:
        return percent(values[0])
    summary = significance.seed_summary(values)
    return f"{percent(summary.mean)} ± {percent(summary.student.high - summary.mean)}"


def _notes(cell: dict[str, Any]) -> list[str]:
    notes = []
    if shared := overlap(cell.get("overlap")):
        notes.append(f"too good, for {shared}")
    if cell["masked"]:
        notes.append(f"masked, for the set has none: {', '.join(cell['masked'])}")
    if cell["dropped"]:
        gone = ", ".join(f"{count:,} {name}" for name, count in cell["dropped"].items())
        notes.append(f"not scored, for the network lacks the class: {gone}")
    return notes
