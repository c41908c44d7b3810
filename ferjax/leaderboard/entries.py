"""Reads the finished runs of a folder and makes an entry of each recipe, in groups that can be ranked."""

import dataclasses
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ferjax.config.field import shown
from ferjax.errors import UserError, listed
from ferjax.experiments.queue import trials_of
from ferjax.experiments.repeat import SCORES
from ferjax.leaderboard.operations import read_operations
from ferjax.report.run import Run, read_run, test_intervals
from ferjax.report.wording import count_of
from ferjax.runs.config_check import check_groups, fixed_fields
from ferjax.runs.folders import find_runs
from ferjax.runs.workdir import CONFIG
from ferjax.scores import significance

_SEED = "train.seed"
_FIELDS_SHOWN = 3
UNFINISHED = "unfinished"


class Score(NamedTuple):
    """A test score in [0, 1]: the mean over the seeds, and the ends of its 95 % interval."""

    mean: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Entry:
    """A recipe on one test split: one run, or several that differ in the seed alone.

    Attributes:
        name: the runs' folder, from the folder that was searched.
        model: the network's name.
        seeds: of the runs, sorted.
        scores: name (see `ferjax.experiments.repeat.SCORES`) → score. With several seeds the interval is
            Student's over the seeds, with one it is over the test images.
        seconds: of a run, the mean.
        memory: the most bytes that one device held; None where a run does not tell.
        parameters: of the network; None where no run tells.
        operations: floating-point operations of a training step for an image; None where nothing tells.
        device: its kind and number; `processor` where the runs recorded one and computed on it.
        overlap: test images, at most, on which a run's weights were trained or chosen.
        details: fields of the config that tell apart the entries of one network, as text.
    """

    name: str
    model: str
    seeds: tuple[int, ...]
    scores: Mapping[str, Score]
    seconds: float
    memory: int | None
    parameters: int | None
    operations: float | None
    device: str
    overlap: int
    details: str = ""


@dataclasses.dataclass(frozen=True)
class Group:
    """The entries that were tested on the same images.

    Attributes:
        dataset: the set's name.
        digest: of its test split.
        images: of the test split.
        entries: by descending `by`.
    """

    dataset: str
    digest: str
    images: int
    entries: tuple[Entry, ...]


class Read(NamedTuple):
    """The groups, and the runs that were left out: name → why."""

    groups: list[Group]
    left_out: dict[str, str]


class _Finished(NamedTuple):
    """A run with a result, its name, the fields of its config, and operations."""

    name: str
    result: dict[str, Any]
    fields: dict[str, Any]
    operations: float | None


def read_groups(folder: Path, by: str = "accuracy") -> Read:
    """Reads all runs in a folder; the numbers are those that the runs recorded.

    Runs are of one entry if they differ in `train.seed` alone, had the same devices and version of ferjax.
    Entries are in one group if the runs have the same data set and the same digest of its test split.

    Args:
        folder: searched with all folders in it.
        by: the score that entries are ordered by.

    Raises:
        UserError: there is no such folder, no run in it, or no finished one.
    """
    workdirs = find_runs(folder)
    if not workdirs:
        raise UserError(f"{folder} holds no run; name a folder of runs, such as runs/")
    finished = []
    searches = Counter(search for workdir in workdirs if (search := trials_of(workdir)))
    left_out = {
        str(search.relative_to(folder) if search.is_relative_to(folder) else search): (
            f"{count_of(count, 'run')} of a search's trials, which test nothing"
        )
        for search, count in searches.items()
    }
    for workdir in workdirs:
        if trials_of(workdir):
            continue
        name = workdir.relative_to(folder).as_posix() if workdir != folder else workdir.resolve().name
        try:
            one = _read(name, workdir)
        except UserError as error:
            left_out[name] = str(error)
            continue
        if one is None:
            left_out[name] = UNFINISHED
        else:
            finished.append(one)
    if not finished:
        reasons = listed((f"{name} ({why})" for name, why in left_out.items()), most=2, separator="; ")
        raise UserError(f"of the {len(workdirs)} runs in {folder} none can be ranked: {reasons}")
    return Read(_groups(finished, by, left_out), left_out)


def _read(name: str, workdir: Path) -> _Finished | None:
    run: Run = read_run(workdir)
    if run.result is None:
        return None
    check_groups(run.config, workdir / CONFIG)
    if "test" not in run.result["split_digests"]:
        raise UserError("its result does not say which test images it was scored on")
    return _Finished(name, run.result, fixed_fields(run.config), read_operations(workdir, run.result))


def _groups(finished: Sequence[_Finished], by: str, left_out: dict[str, str]) -> list[Group]:
    by_test: dict[tuple[str, str], dict[str, list[_Finished]]] = {}
    for one in finished:
        result = one.result
        recipes = by_test.setdefault((result["dataset"], result["split_digests"]["test"]), {})
        same = recipes.setdefault(_recipe(one), [])
        twin = next((other for other in same if other.result["seed"] == result["seed"]), None)
        if twin:
            left_out[one.name] = f"repeats the config and the seed of {twin.name}"
        else:
            same.append(one)
    groups = []
    for (dataset, digest), recipes in sorted(by_test.items()):
        of_recipes = list(recipes.values())
        named = zip(of_recipes, _names(of_recipes), _details(of_recipes), strict=True)
        entries = [_entry(*each) for each in named]
        entries.sort(key=lambda entry: (-entry.scores[by].mean, entry.name))
        first = of_recipes[0][0].result
        images = sum(row["support"] for row in first["test"]["per_class"])
        groups.append(Group(dataset, digest, images, tuple(entries)))
    return groups


def _recipe(one: _Finished) -> str:
    """Returns a text that is the same for runs which differ in the seed alone."""
    fields = {name: value for name, value in sorted(one.fields.items()) if name != _SEED}
    return repr((fields, _device(one.result), one.result["versions"].get("ferjax")))


def _device(result: Mapping[str, Any]) -> str:
    device, machine = result["device"], result.get("machine")
    if device["platform"] == "cpu" and machine:
        return f"{machine['processor']}, {machine['cores']} cores"
    return device["kind"] if device["count"] == 1 else f"{device['count']} × {device['kind']}"


def _entry(runs: Sequence[_Finished], name: str, details: str) -> Entry:
    results = [one.result for one in runs]
    overlaps = [result.get("overlap") or {} for result in results]
    peaks = [result["peak_memory_bytes"] for result in results]
    return Entry(
        name=name,
        model=results[0]["model"],
        seeds=tuple(sorted(result["seed"] for result in results)),
        scores={name: _score(name, results) for name in SCORES},
        seconds=statistics.fmean(result["seconds"] for result in results),
        memory=None if None in peaks else max(peaks),
        parameters=_first(result.get("parameters") for result in results),
        operations=_first(one.operations for one in runs),
        device=_device(results[0]),
        overlap=max(
            sum(overlap.get(part, 0) for part in ("train", "validation", "earlier")) for overlap in overlaps
        ),
        details=details,
    )


def _first(values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _score(name: str, results: Sequence[Mapping[str, Any]]) -> Score:
    values = [result["test"][name] for result in results]
    if len(values) == 1:
        return Score(values[0], *test_intervals(results[0])[name])
    summary = significance.seed_summary(values)
    return Score(summary.mean, summary.student.low, summary.student.high)


def _names(recipes: Sequence[Sequence[_Finished]]) -> list[str]:
    """Names a single run after its folder, several after the folder that holds them and no other recipe's."""
    names = [_shared_folder([one.name for one in runs]) or _of_several(runs) for runs in recipes]
    return [
        name if names.count(name) == 1 else _of_several(runs)
        for name, runs in zip(names, recipes, strict=True)
    ]


def _of_several(runs: Sequence[_Finished]) -> str:
    return runs[0].name + (f" and {len(runs) - 1} more" if len(runs) > 1 else "")


def _shared_folder(names: Sequence[str]) -> str:
    """Returns the folder that holds several runs; empty for a single run, or where there is none."""
    if len(names) == 1:
        return ""
    shared = []
    for level in zip(*(name.split("/")[:-1] for name in names), strict=False):
        if len(set(level)) > 1:
            break
        shared.append(level[0])
    return "/".join(shared)


def _details(recipes: Sequence[Sequence[_Finished]]) -> list[str]:
    """Tells each recipe apart from the others of the same network by the fields in which they differ."""
    texts = []
    for runs in recipes:
        own, model = runs[0].fields, runs[0].result["model"]
        others = [other[0].fields for other in recipes if other[0].result["model"] == model]
        names = sorted(
            name
            for name in own.keys() | set().union(*others)
            if name != _SEED and any(other.get(name) != own.get(name) for other in others)
        )
        texts.append(listed((f"{name} {shown(own.get(name, 'absent'))}" for name in names), _FIELDS_SHOWN))
    return texts
