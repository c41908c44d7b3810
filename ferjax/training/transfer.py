"""Starting from the weights of an earlier run, an import or a file, and the account of what was taken."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from ml_collections import ConfigDict

from ferjax import models
from ferjax.data.label_spaces import meaning
from ferjax.errors import UserError
from ferjax.files import read_json, write_json_atomic
from ferjax.runs.checksum import checksum
from ferjax.training.initial_weights import Origin, read
from ferjax.training.setup import Parts
from ferjax.training.stages import parameter_shapes
from ferjax.training.state import TrainState

RECORD = "init.json"
LOADED, NEW, SKIPPED, MISFIT = "loaded", "new", "skipped", "does not fit"
_SHOWN = 6  # paths that an error spells out


class Row(NamedTuple):
    """What became of one array: `path`, its `shape` (the source's if skipped), `LOADED`, …, and why."""

    path: str
    shape: tuple[int, ...]
    outcome: str
    why: str = ""


def classifier(model: nn.Module, image_shape: tuple[int, ...]) -> frozenset[str]:
    """Paths of the parameters whose shape depends on the number of classes."""
    wider = parameter_shapes(model.clone(num_classes=model.num_classes + 1), image_shape)
    return frozenset(path for path, s in parameter_shapes(model, image_shape).items() if wider[path] != s)


class Start(NamedTuple):
    """How a run begins: from a source, and what is taken of it."""

    origin: Origin
    rows: list[Row]


def plan(config: ConfigDict, workdir: Path, parts: Parts, label_names: Sequence[str]) -> Start | None:
    """Reads the source of a run that has no checkpoint yet; None if there is no source or no need of it.

    Args:
        config: the groups `model`, `data` and `init` are read.
        workdir: the run's folder.
        parts: of the run.
        label_names: the network's classes.

    Raises:
        UserError: there is no such source, it is damaged, or it does not fit; what does not is printed.
    """
    begun = any(path.name.isdigit() for path in (workdir / "checkpoints").glob("*"))
    if not config.init["from"] or begun:
        return None
    origin = read(config)
    like = {"params": parts.like.params, "batch_stats": parts.like.batch_stats}
    shapes = {path: leaf.shape for path, leaf in flatten_dict(like, sep="/").items()}
    rows = account(origin, config, parts.model, label_names, shapes)
    check(origin, rows, config.model.name)
    return Start(origin, rows)


def begin(
    config: ConfigDict, workdir: Path, parts: Parts, state: TrainState, start: Start
) -> tuple[TrainState, dict[str, Any]]:
    """The initial state with the source's weights, and what `recorded` will give.

    The first process writes and prints what was taken.
    """
    told = account_of(start.origin, start.rows)
    if jax.process_index() == 0:
        write_json_atomic(workdir / RECORD, told)
        print(table(start.rows))
        where = told["from"] if told["step"] is None else f"{told['from']}, step {told['step']:,}"
        print(
            f"initial weights from {where} ({told['network']}, checksum {told['checksum']}): "
            f"{told[LOADED]} arrays loaded, {told[NEW]} new, {told[SKIPPED]} of the source skipped",
            flush=True,
        )
    # The optimizer begins again, for it may have looked at the weights.
    state = parts.restart(apply(state, start.origin, start.rows, config.init.into))
    return state, _without_parameters(told)


def recorded(config: ConfigDict, workdir: Path) -> dict[str, Any] | None:
    """What `begin` wrote without the single arrays; None for a run that began at random."""
    if not config.init["from"]:
        return None
    return _without_parameters(read_json(workdir / RECORD))


def _without_parameters(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name != "parameters"}


def account(
    origin: Origin,
    config: ConfigDict,
    model: nn.Module,
    label_names: Sequence[str],
    shapes: Mapping[str, tuple[int, ...]],
) -> list[Row]:
    """Decides for each array what becomes of it; nothing is computed.

    Args:
        origin: the source.
        config: the groups `model`, `data` and `init` are read.
        model: the network to be trained.
        label_names: its classes.
        shapes: `params/…` and `batch_stats/…` → shape, of the network.

    Raises:
        UserError: `init.new` is no pattern, or matches nothing.
    """
    side = config.data.image_size
    size = (side, side, 3)
    head = {f"params/{path}" for path in classifier(model, size)}
    same = origin.label_names is not None and list(map(meaning, origin.label_names)) == list(
        map(meaning, label_names)
    )
    found = dict(origin.arrays)
    dropped: set[str] = set()
    if config.init.into:
        # The source is a part of this network: its own classifier has no place here.
        own = models.create(origin.network, len(origin.label_names or ()) or 7)
        dropped = {f"params/{path}" for path in classifier(own, size)}
        found = {_inside(path, config.init.into): value for path, value in found.items()}
        dropped = {_inside(path, config.init.into) for path in dropped}
    at_source_size: dict[str, tuple[int, ...]] = {}
    if origin.image_size and origin.image_size != side:
        there = parameter_shapes(model, (origin.image_size, origin.image_size, 3))
        at_source_size = {f"params/{path}": shape for path, shape in there.items()}

    anew = _anew(config.init.new, shapes)
    found = {path: value for path, value in found.items() if path not in anew}
    rows = [Row(path, shapes[path], NEW, "init.new names it") for path in anew]
    for path in shapes.keys() - anew:
        rows.append(
            _row(path, shapes[path], found, path in head, same, at_source_size, origin, config.init.into)
        )
    for path in found.keys() - shapes.keys():
        outcome, why = _left_over(path, dropped, shapes, config.init.into)
        rows.append(Row(path, found[path].shape, outcome, why))
    return sorted(rows)


def _anew(pattern: str, shapes: Iterable[str]) -> set[str]:
    """The paths, with their collection, in whose rest the pattern is found; none for an empty one."""
    if not pattern:
        return set()
    try:
        anew = {path for path in shapes if re.search(pattern, path.partition("/")[2])}
    except re.error as error:
        raise UserError(f"init.new {pattern!r} is no regular expression: {error}") from None
    if not anew:
        last = ", ".join(sorted(path.partition("/")[2] for path in shapes)[-_SHOWN:])
        raise UserError(f"the pattern init.new={pattern!r} matches no parameter; the last ones are {last}")
    return anew


def _left_over(path: str, dropped: set[str], shapes: Iterable[str], into: str) -> tuple[str, str]:
    """What becomes of an array of the source that has no place here, and why."""
    if path in dropped:
        return SKIPPED, "the source's classifier"
    if into:
        # Such as FaceNet's embedding, where only the features before it are a part of the network.
        layer = "/".join(path.split("/")[: into.count("/") + 3])
        if not any(other.startswith(f"{layer}/") for other in shapes):
            return SKIPPED, f"{into} has no such layer"
    return MISFIT, "this network has no such parameter"


def _row(
    path: str,
    shape: tuple[int, ...],
    found: Mapping[str, np.ndarray],
    in_head: bool,
    same_classes: bool,
    at_source_size: Mapping[str, tuple[int, ...]],
    origin: Origin,
    into: str,
) -> Row:
    array = found.get(path)
    if in_head and not same_classes:
        names = "unknown" if origin.label_names is None else ", ".join(origin.label_names)
        return Row(path, shape, NEW, f"classifier of other classes (the source's are {names})")
    if array is not None and array.shape == shape:
        return Row(path, shape, LOADED)
    if array is not None and _of_other_channels(array.shape, shape):
        return Row(path, shape, LOADED, f"from {array.shape[2]} input channels")
    if array is not None and at_source_size.get(path) == array.shape:
        return Row(path, shape, NEW, f"{_text(array.shape)} in the source, at {origin.image_size} pixels")
    if array is not None:
        return Row(path, shape, MISFIT, f"{_text(array.shape)} in the source")
    if into and not path.partition("/")[2].startswith(f"{into}/"):
        return Row(path, shape, NEW, f"outside of {into}")
    return Row(path, shape, NEW if in_head else MISFIT, "not in the source")


def _inside(path: str, module: str) -> str:
    collection, _, rest = path.partition("/")
    return f"{collection}/{module}/{rest}"


def _of_other_channels(source: tuple[int, ...], target: tuple[int, ...]) -> bool:
    """Whether two kernels `[h, w, C, O]` differ in grey against colour images alone."""
    return (
        len(source) == len(target) == 4
        and {source[2], target[2]} == {1, 3}
        and source[:2] + source[3:] == target[:2] + target[3:]
    )


def _with_channels(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A kernel for another number of input channels that answers a grey image alike."""
    if array.shape == shape:
        return array
    summed = array.sum(2, keepdims=True)
    return np.repeat(summed / shape[2], shape[2], axis=2)


def check(origin: Origin, rows: Sequence[Row], network: str) -> None:
    """Raises UserError if anything does not fit, after printing what."""
    wrong = [row for row in rows if row.outcome == MISFIT]
    if not wrong:
        return
    if jax.process_index() == 0:
        print(table(wrong), flush=True)
    more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    told = "; ".join(f"{row.path} {_text(row.shape)}: {row.why}" for row in wrong[:_SHOWN])
    raise UserError(
        f"init.from={origin.path} is of the network {origin.network} and does not fit {network}: "
        f"{len(wrong)} arrays differ ({told}{more}); name a source of the same network, with the same options"
    )


def table(rows: Sequence[Row]) -> str:
    """The account as text, one line an array."""
    width = max((len(row.path) for row in rows), default=0)
    shapes = max((len(_text(row.shape)) for row in rows), default=0)
    return "\n".join(
        f"{row.path:{width}}  {_text(row.shape):{shapes}}  {row.outcome}"
        + (f": {row.why}" if row.why else "")
        for row in rows
    )


def _text(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "scalar"


def account_of(origin: Origin, rows: Sequence[Row]) -> dict[str, Any]:
    """What `init.json` tells: the source, its checksum, how much was taken, and what became of each array."""
    return {
        "from": origin.path,
        "network": origin.network,
        "step": origin.step,
        "label_names": list(origin.label_names) if origin.label_names else None,
        "checksum": f"{checksum(origin.arrays):08x}",
        "trained_on": origin.trained_on,
        **{outcome: sum(row.outcome == outcome for row in rows) for outcome in (LOADED, NEW, SKIPPED)},
        "parameters": [{**row._asdict(), "shape": list(row.shape)} for row in rows],
    }


def apply(state: TrainState, origin: Origin, rows: Sequence[Row], into: str) -> TrainState:
    """Puts the loaded arrays in the places of initial ones, laid out as those; averages start from them."""
    found = {(_inside(path, into) if into else path): value for path, value in origin.arrays.items()}
    taken = {row.path: _with_channels(found[row.path], row.shape) for row in rows if row.outcome == LOADED}

    def replaced(tree: dict[str, Any]) -> dict[str, Any]:
        flat = flatten_dict(tree, sep="/", keep_empty_nodes=True)
        return unflatten_dict(
            {path: _placed(taken[path], leaf) if path in taken else leaf for path, leaf in flat.items()},
            sep="/",
        )

    state = state.replace(**replaced({"params": state.params, "batch_stats": state.batch_stats}))
    return state if state.ema is None else state.replace(ema=replaced(state.ema))


def _placed(array: np.ndarray, like: jax.Array) -> jax.Array:
    array = array.astype(like.dtype)
    return jax.make_array_from_callback(like.shape, like.sharding, lambda index: array[index])
