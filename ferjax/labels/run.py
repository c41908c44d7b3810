"""Looks at the labels of a set: trains folds or reads probabilities, estimates, and writes the results."""

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict

import ferjax
from ferjax.data import relabel
from ferjax.errors import UserError
from ferjax.files import to_json
from ferjax.labels import folds, page, probabilities, relabel_list
from ferjax.labels.features import Features
from ferjax.labels.folds import FoldRun
from ferjax.labels.found import FeaturesOf, Found, evidence, find, numbers
from ferjax.labels.probabilities import VERB
from ferjax.labels.whole_set import WholeSet, open_set
from ferjax.platform import outputs

logger = logging.getLogger(__name__)
PLANTED = "planted.csv"


class Written(NamedTuple):
    """The results.

    Attributes:
        page: path of `index.html`.
        suspects: path of `relabel.csv`.
        numbers: the content of `labels.json`.
    """

    page: Path
    suspects: Path
    numbers: dict[str, Any]


def from_folds(
    config: ConfigDict,
    runs: Mapping[Path, ConfigDict],
    out: Path,
    count: int | None = None,
    shown: int = 48,
    split: str = "",
) -> Written:
    """Trains the folds of a recipe that no run has tested yet, and writes what they tell of the labels.

    Args:
        config: the recipe; `data.fold` is not read.
        runs: finished runs of folds with this recipe, which are not trained again; or one that divides
            nothing and only gives the recipe.
        out: the folder of the results; its `folds/` keeps the trained folds.
        count: of folds; as `runs` have, or five, if None.
        shown: how many suspects get pictures.
        split: the stored split that alone is divided and looked at; as `runs` have, or all, if empty.

    Raises:
        UserError: bad input.
        Stopped: a signal came; the same call goes on.
    """
    config = config.copy_and_resolve_references()
    divided = folds.needed(runs, count, split)
    if divided.done and config.data.label_noise:
        raise UserError(
            "a fold's test labels are right with data.label_noise, which makes those of train wrong: name "
            "a run without data.fold, whose recipe is then trained on folds that share the wrong labels"
        )
    config.data.fold = ""
    whole = open_set(config, divided.total, divided.split)
    _check_places(out, whole)
    if config.data.label_noise:
        planted = outputs.make_folder(out) / PLANTED
        folds.write_planted(whole, planted)
        config.data.relabel = str(planted)
    workdirs = folds.train(config, divided, out / "folds") if divided.total else divided.done
    tested = {fold: folds.read(workdir, whole, config.data.dir) for fold, workdir in workdirs.items()}
    folds.check_whole(tested, whole)
    collected = probabilities.collected(tested.values(), whole)
    probabilities.save(out / "probabilities.npz", collected, whole)
    features, in_order = Features(whole, out / "folds"), list(tested.values())
    source = f"{config.model.name}, {len(tested)} folds: {', '.join(str(run.workdir) for run in in_order)}"
    return _write(
        find(whole, collected),
        lambda fold, examples: features.of(in_order[fold], fold + 1, examples),
        out,
        shown,
        source=source,
        warnings=seen(tested),
        relabelled=config.data.relabel,
    )


def from_file(config: ConfigDict, path: Path, out: Path, shown: int = 48, split: str = "") -> Written:
    """Writes what probabilities that were made elsewhere tell of the labels.

    Args:
        config: names the set.
        path: see `ferjax.labels.probabilities.read`.
        out: the folder of the results.
        shown: how many suspects get pictures.
        split: the stored split that alone is looked at; all if empty.

    Raises:
        UserError: bad input.
    """
    whole = open_set(config, 0, split)
    _check_places(out, whole)
    read = probabilities.read(path, whole)
    features = read.features
    warnings = [] if features is not None else ["The file holds no features: no neighbours are shown."]
    return _write(
        find(whole, read),
        None if features is None else lambda fold, examples: features[examples],
        out,
        shown,
        source=str(path),
        warnings=warnings,
        relabelled=config.data.relabel,
    )


def seen(runs: Mapping[str, FoldRun]) -> list[str]:
    """Tells of tested images that the weights had seen: copies, or what initial weights were trained on."""
    counts = [run.overlap or {} for run in runs.values()]
    copies = sum(count.get("train", 0) + count.get("validation", 0) for count in counts)
    earlier = sum(count.get("earlier", 0) for count in counts)
    lines = []
    if copies:
        lines.append(
            f"{copies:,} images had a copy among what their network was trained or chosen on, so that its "
            "prediction is not out of sample: data.drop_leaks and data.drop_validation_leaks keep "
            "copies apart."
        )
    if earlier:
        lines.append(
            f"{earlier:,} images were among what the initial weights of their network were trained on "
            "(init.from, or a teacher), so that its prediction is not out of sample: wrong labels may be "
            "missed."
        )
    return lines


def _check_places(out: Path, whole: WholeSet) -> None:
    """Checks, before anything is trained, that the results can be written."""
    written = [out / name for name in ("index.html", "labels.json", "probabilities.npz")]
    outputs.check(VERB, *written, advice="--out names another folder")
    relabel_list.check(out / "relabel.csv", whole)


def _write(
    found: Found,
    features_of: FeaturesOf | None,
    out: Path,
    shown: int,
    *,
    source: str,
    warnings: Sequence[str],
    relabelled: str,
) -> Written:
    for line in warnings:
        logger.warning(line)
    whole = found.whole
    kept = None
    if relabelled:
        replaced = int((whole.labels != whole.records.index.labels).sum())
        kept = relabel.opened(relabelled).provenance(replaced)
    told = {
        **numbers(found),
        "source": source,
        "warnings": list(warnings),
        "relabel": kept,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "ferjax": ferjax.__version__,
    }
    suspects, written = out / "relabel.csv", out / "index.html"
    relabel_list.write(suspects, found)
    page.write(written, found, evidence(found, shown, features_of), told)
    outputs.write(VERB, out / "labels.json", to_json(told))
    return Written(written, suspects, told)
