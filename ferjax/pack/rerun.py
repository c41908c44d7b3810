"""Trains the runs of an unpacked pack again, and compares them with what was recorded."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
from ml_collections import ConfigDict

from ferjax.cluster.consistency import code_digest
from ferjax.errors import UserError, listed, nearest
from ferjax.experiments.runs import Runner
from ferjax.files import inside, read_json
from ferjax.inference.trusted_code import check_trusted
from ferjax.pack.compare import Compared, compare
from ferjax.pack.contents import RUNS
from ferjax.pack.portable import RELABEL, RUN_OF_PACK
from ferjax.pack.unpack import Pack
from ferjax.pretrained import places
from ferjax.report.tables import markdown
from ferjax.report.wording import percent, points
from ferjax.runs.result import read_result
from ferjax.runs.stored_config import completed
from ferjax.runs.workdir import CONFIG, RESULT
from ferjax.training.splits import load_split

AGAIN = "rerun"


def rerun(
    pack: Pack,
    data_dir: str = "",
    tolerance: float | None = None,
    only: str = "",
    tell: Callable[[str], None] = lambda line: None,
) -> dict[str, Compared]:
    """Trains runs of a pack again, each in `rerun/NAME` beside the recorded ones; finished ones are read.

    Args:
        pack: unpacked, see `ferjax.pack.unpack.unpack`.
        data_dir: the folder of the built data sets; the usual one if empty.
        tolerance: how much test scores may differ on another platform, in [0, 1]; the pack's own if None.
        only: the name of one run; all if empty.
        tell: takes a line of progress.

    Returns:
        Name → how it compares.

    Raises:
        UserError: a run needs what the pack lacks, names code that is not trusted, or the data set here is
            another one; raised before anything is trained.
        Stopped: a signal came; the same call goes on.
    """
    runs = pack.manifest["runs"]
    if only and only not in runs:
        raise UserError(f"the pack has no run {only[:100]!r}; the nearest are {nearest(only, runs)}")
    names = _with_their_sources([only], pack) if only else _with_their_sources(list(runs), pack)
    configs = {name: _config(pack, name, data_dir) for name in names}
    for name in names:
        _check_data(pack, name, configs[name])
    within = _tolerance(pack) if tolerance is None else tolerance
    code = (pack.manifest.get("environment", {}).get("code"), code_digest())
    runner, compared = Runner(), {}
    for name in names:
        tell(f"training {name} again")
        again = pack.folder / AGAIN / name
        runner.run(configs[name], again)
        compared[name] = compare(_folder(pack, name), again, within, {"code of ferjax": code})
    return compared


def table(compared: dict[str, Compared]) -> str:
    """Formats the comparison as text that is also a Markdown table, and says in how far it holds."""
    rows, notes = [], []
    for name, one in compared.items():
        recorded, now = one.scores["accuracy"]
        if not one.differing:
            verdict = "the same, bit for bit"
        elif one.reproduced:
            verdict = f"within {percent(one.tolerance, 1)} points"
        else:
            verdict = "NOT REPRODUCED"
        rows.append([name, percent(recorded), percent(now), points(one.largest), verdict])
        if one.differing:
            where = (
                f"another platform ({listed(one.elsewhere, most=3, separator='; ')})"
                if one.elsewhere
                else "the same platform"
            )
            notes.append(f"{name}: on {where}, differing in {listed(one.differing, most=4)}.")
    head = ("run", "recorded accuracy", "accuracy now", "largest difference of a score", "")
    return "\n\n".join([markdown(head, rows), *notes])


def _folder(pack: Pack, name: str) -> Path:
    return inside(pack.folder, pack.folder / RUNS / name)


def _config(pack: Pack, name: str, data_dir: str) -> ConfigDict:
    """Reads the config of a packed run, and puts paths of here into it."""
    folder = _folder(pack, name)
    content = read_json(folder / CONFIG)
    check_trusted(content, folder / CONFIG)
    config = completed(content, folder / CONFIG)
    if needs := pack.manifest["runs"][name].get("needs"):
        raise UserError(
            f"{name} cannot be trained again from the pack alone, for it lacks {listed(needs)}: name other "
            f"runs with --run, or train it by hand: ferjax train --config={folder / CONFIG}"
        )
    config.data.dir = data_dir
    if config.data.relabel:
        config.data.relabel = str(folder / RELABEL)
    for group in ("init", "distill"):
        parts = [part for part in config[group]["from"].split(",") if part]
        config[group]["from"] = ",".join(_weights(pack, name, part) for part in parts)
    if read_result(folder / RESULT)["device"]["count"] != jax.device_count():
        config.mesh.update(data=-1, fsdp=1)
    return config


def _weights(pack: Pack, name: str, text: str) -> str:
    """Returns where weights are that a packed config names: of a run that was trained again, or shipped."""
    if text.startswith(RUN_OF_PACK):
        return str(pack.folder / AGAIN / text.removeprefix(RUN_OF_PACK))
    if text not in places.names():
        raise UserError(f"{name} begins with weights {text[:90]!r} that are not in the pack; do not trust it")
    return text


def _with_their_sources(names: list[str], pack: Pack) -> list[str]:
    """Returns runs in an order in which those come first that others take their weights from."""
    ordered: list[str] = []
    left: list[tuple[str, tuple[str, ...]]] = [(name, ()) for name in reversed(names)]
    while left:
        name, users = left.pop()
        if name in ordered:
            continue
        if name in users:
            raise UserError(f"in the pack the weights of {name} come from its own; do not trust it")
        if name not in pack.manifest["runs"]:
            raise UserError(f"a run of the pack begins with weights of {name[:100]!r}, which is not in it")
        missing = [source for source in _sources(pack, name) if source not in ordered]
        if missing:
            left += [(name, users), *((source, (*users, name)) for source in missing)]
        else:
            ordered.append(name)
    return ordered


def _sources(pack: Pack, name: str) -> list[str]:
    content: Any = read_json(_folder(pack, name) / CONFIG)
    found = []
    for group in ("init", "distill"):
        fields = content.get(group) if isinstance(content, dict) else None
        value = fields.get("from") if isinstance(fields, dict) else None
        parts = value.split(",") if isinstance(value, str) else []
        found += [part.removeprefix(RUN_OF_PACK) for part in parts if part.startswith(RUN_OF_PACK)]
    return found


def _check_data(pack: Pack, name: str, config: ConfigDict) -> None:
    """Raises UserError unless the data set here has the images and labels that the run recorded."""
    recorded = read_result(_folder(pack, name) / RESULT)["split_digests"]
    for split, digest in recorded.items():
        if digest and load_split(config, split, cache="stream").digest() != digest:
            raise UserError(
                f"the {split} split of {config.data.name} here is not the one of {name}: its images or "
                "labels are others; build it from the same copy, or name its folder with --data_dir"
            )


def _tolerance(pack: Pack) -> float:
    tolerance = pack.manifest.get("tolerance")
    if not isinstance(tolerance, int | float) or not math.isfinite(tolerance) or not 0 <= tolerance <= 1:
        raise UserError("the pack states no tolerance from 0 to 1; give one with --tolerance")
    return tolerance
