"""What goes into a pack: the files of finished runs, by a list of what may, never a picture of a data set."""

import hashlib
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ferjax.errors import UserError
from ferjax.experiments import ablate, crossdb, protocol, repeat
from ferjax.experiments.queue import trials_of
from ferjax.files import inside, read_json, to_json, user_path
from ferjax.pack import portable, texts
from ferjax.pack.archive import Content
from ferjax.pack.citations import bibtex
from ferjax.pack.environment import environment, lock
from ferjax.report.page import write_page
from ferjax.report.run import Run, read_run
from ferjax.runs import predictions
from ferjax.runs.checkpoint_files import FOLDER as CHECKPOINTS
from ferjax.runs.config_check import check_groups, fixed_fields
from ferjax.runs.folders import find_runs, is_run
from ferjax.runs.workdir import CONFIG, METRICS, RESULT

RUNS = "runs"
_TABLES = (repeat.FILE, crossdb.FILE, ablate.FILE, protocol.FILE)  # with a .md of the same name beside each
_STRANGE = re.compile(r"[^A-Za-z0-9._+=@,-]+")
# Of one seed and one version of the software, the scores of a run that was trained on another machine may
# differ from the recorded ones by so much.
TOLERANCE = 0.03


def gather(
    arguments: Sequence[Path | str], checkpoints: bool = False, evaluations: bool = True
) -> tuple[dict[str, Content], dict[str, Any]]:
    """Collects the files of a pack and what its manifest says of the runs.

    Args:
        arguments: runs, or folders of runs such as those of `ferjax repeat`.
        checkpoints: whether the checkpoints go in.
        evaluations: whether the predictions for each example go in, which hold the examples' labels.

    Returns:
        Member → content; and `runs`, `environment` and `tolerance`, see docs/pack.md.

    Raises:
        UserError: an argument holds no run, a run is unfinished or damaged, or two are the same.
    """
    named = name_runs(arguments)
    packed = {folder.resolve(): name for name, folder in named.items()}
    files: dict[str, Content] = {}
    facts: dict[str, dict[str, Any]] = {}
    fields: list[dict[str, Any]] = []
    for name, folder in named.items():
        run = _finished(folder)
        if checkpoints:
            files |= {f"{RUNS}/{name}/{part}": path for part, path in _checkpoint_files(folder).items()}
        of_run, facts[name] = _files_of(name, run, packed, evaluations)
        own = fixed_fields(run.config)
        fields += [{**own, "data.name": dataset} for dataset in facts[name]["data_sets"]]
        files |= {f"{RUNS}/{name}/{part}": content for part, content in of_run.items()}
    files |= _tables(arguments)
    about = {"runs": facts, "environment": environment(), "tolerance": TOLERANCE}
    files["CITATION.bib"] = bibtex(fields).encode()
    files["requirements.txt"] = lock().encode()
    files["LICENCES.md"] = texts.licences(facts, checkpoints, evaluations).encode()
    files["README.md"] = texts.readme(about, checkpoints).encode()
    return files, about


def name_runs(arguments: Sequence[Path | str]) -> dict[str, Path]:
    """Finds the runs and gives each a name of its own: its folder, from the parent of the argument on.

    The trials of a search, which have no result, are passed over.
    """
    named: dict[str, Path] = {}
    known: set[Path] = set()
    for top_name, top in _tops(arguments).items():
        folders = [folder for folder in find_runs(top) if folder == top or not trials_of(folder)]
        if not folders:
            raise UserError(f"{top} holds no run; name a run's --workdir, or a folder of runs")
        for folder in folders:
            if folder.resolve() in known:
                raise UserError(f"{folder} is named twice; name each run once")
            known.add(folder.resolve())
            parts = [top_name, *map(_safe, folder.relative_to(top).parts)]
            named[_free("/".join(parts), named)] = folder
    return named


def _tops(arguments: Sequence[Path | str]) -> dict[str, Path]:
    """Gives each argument a name of its own, that of its folder."""
    tops: dict[str, Path] = {}
    for argument in arguments:
        top = user_path(argument)
        tops[_free(_safe(top.resolve().name), tops)] = top
    return tops


def _safe(part: str) -> str:
    return _STRANGE.sub("_", part).lstrip(".-+=@,") or "run"


def _free(name: str, taken: Mapping[str, Path]) -> str:
    """Returns a name that differs from the taken ones, also where letters' case is not told apart."""
    folded = {other.lower() for other in taken}
    number, free = 1, name
    while free.lower() in folded:
        number += 1
        free = f"{name}-{number}"
    return free


def _finished(folder: Path) -> Run:
    run = read_run(folder)
    check_groups(run.config, folder / CONFIG)
    if run.result is None:
        raise UserError(f"{folder} is unfinished: it has no {RESULT}; train it to its end first")
    return run


def _files_of(
    name: str, run: Run, packed: Mapping[Path, str], evaluations: bool
) -> tuple[dict[str, Content], dict[str, Any]]:
    """Collects the files of a run, and what the manifest says of it."""
    result = run.result or {}
    config, needs = portable.portable_config(run.config, packed)
    portable_result = portable.portable_result(result)
    files: dict[str, Content] = {CONFIG: to_json(config), RESULT: to_json(portable_result)}
    if (run.workdir / METRICS).exists():
        files[METRICS] = (run.workdir / METRICS).read_bytes()
    if run.config.get("data", {}).get("relabel"):
        files[portable.RELABEL] = _relabel(run)
    data_sets = {result["dataset"]}
    data_sets |= {one["data"]["name"] for one in (portable_result.get("init") or {}).get("trained_on", ())}
    if evaluations:
        of_evaluations, evaluated = _evaluations(run)
        files |= of_evaluations
        data_sets |= evaluated
    # The page shows the config and names the folder, too.
    files |= _page(run._replace(workdir=Path(name), config=config, result=portable_result))
    facts = {
        "model": result["model"],
        "dataset": result["dataset"],
        "data_sets": sorted(data_sets),
        "seed": result["seed"],
        "steps": result["steps"],
        "test_images": sum(row["support"] for row in result["test"]["per_class"]),
        "split_digests": result["split_digests"],
        "overlap": result.get("overlap"),
        "test": {score: result["test"][score] for score in repeat.SCORES},
        "device": result["device"],
        "machine": result.get("machine"),
        "versions": result["versions"],
        "needs": needs,
    }
    return files, facts


def _relabel(run: Run) -> bytes:
    """Reads the file whose labels replaced stored ones; it must be the one that the run was trained with."""
    path = user_path(run.config["data"]["relabel"])
    recorded = ((run.result or {}).get("relabel") or {}).get("digest")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path}, whose labels {run.workdir} was trained with, cannot be read: {error.strerror}"
        ) from error
    if recorded and hashlib.sha256(content).hexdigest() != recorded:
        raise UserError(f"{path} is not the file any more that {run.workdir} was trained with; put it back")
    return content


def _evaluations(run: Run) -> tuple[dict[str, Content], set[str]]:
    """Collects predictions and scores, nothing else that may lie there, and of which sets they are."""
    files: dict[str, Content] = {}
    data_sets = set()
    folder = run.workdir / predictions.EVALUATIONS
    for path in sorted(folder.glob("*.npz")):
        data_sets.add(predictions.read(inside(folder, path)).dataset)
        files[f"{predictions.EVALUATIONS}/{path.name}"] = path.read_bytes()
        scores = path.with_suffix(".json")
        if scores.is_file():
            files[f"{predictions.EVALUATIONS}/{scores.name}"] = to_json(
                portable.portable_result(read_json(inside(folder, scores)))
            )
    return files, data_sets


def _page(run: Run) -> dict[str, Content]:
    """Writes the run's page anew, without the pictures of its worst mistakes."""
    with tempfile.TemporaryDirectory() as place:
        write_page(run, folder=Path(place), photographs=False)
        return {f"report/{path.name}": path.read_bytes() for path in sorted(Path(place).iterdir())}


def _checkpoint_files(folder: Path) -> dict[str, Path]:
    files = {}
    for path in sorted((folder / CHECKPOINTS).rglob("*")):
        if path.is_symlink():
            raise UserError(f"{path} is a link; checkpoints are packed only as training wrote them")
        if path.is_file():
            files[path.relative_to(folder).as_posix()] = path
    if not files:
        raise UserError(f"{folder} has no checkpoints; leave out --checkpoints")
    return files


def _tables(arguments: Sequence[Path | str]) -> dict[str, Content]:
    """Collects what an experiment wrote of its runs, from the folders that hold them."""
    files: dict[str, Content] = {}
    for name, top in _tops(arguments).items():
        if is_run(top):
            continue
        for table in _TABLES:
            if (top / table).is_file():
                files[f"{RUNS}/{name}/{table}"] = to_json(read_json(top / table))
                text = (top / table).with_suffix(".md")
                if text.is_file():
                    files[f"{RUNS}/{name}/{text.name}"] = text.read_bytes()
    return files
