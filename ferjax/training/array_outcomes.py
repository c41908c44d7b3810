"""Decides for each array of a network whether it is loaded from a source of weights, and why not."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import numpy as np
from ml_collections import ConfigDict

from ferjax import models
from ferjax.data.label_spaces import meaning
from ferjax.errors import UserError, listed, nearest
from ferjax.layers.positions import grid_side
from ferjax.runs.checksum import checksum
from ferjax.training.affect import NAME as AFFECT
from ferjax.training.initial_weights import Origin
from ferjax.training.stages import parameter_shapes
from ferjax.training.without_labels import WithoutClasses, is_own, why_without_place

LOADED, NEW, SKIPPED, MISFIT = "loaded", "new", "skipped", "does not fit"
_SHOWN = 6  # paths that an error spells out


class Row(NamedTuple):
    """The outcome of one array.

    Attributes:
        path: such as `params/conv1/kernel`.
        shape: the network's, or the source's if it is skipped.
        outcome: `LOADED`, `NEW`, `SKIPPED` or `MISFIT`.
        why: the reason, where it is not plain.
    """

    path: str
    shape: tuple[int, ...]
    outcome: str
    why: str = ""


def classifier(model: nn.Module, image_shape: tuple[int, ...]) -> frozenset[str]:
    """Returns the paths of the parameters whose shape depends on the number of classes, if there are any."""
    if isinstance(model, WithoutClasses):
        return frozenset()
    wider = parameter_shapes(model.clone(num_classes=model.num_classes + 1), image_shape)
    return frozenset(path for path, s in parameter_shapes(model, image_shape).items() if wider[path] != s)


def decide(
    origin: Origin,
    config: ConfigDict,
    model: nn.Module,
    label_names: Sequence[str],
    shapes: Mapping[str, tuple[int, ...]],
) -> list[Row]:
    """Decides the outcome of each array; nothing is computed.

    Args:
        origin: the source.
        config: the groups `model`, `data` and `init` are read.
        model: the network to be trained.
        label_names: its classes.
        shapes: `params/…` and `batch_stats/…` → shape, of the network.

    Raises:
        UserError: `init.new` is no pattern or matches nothing, or the network has no module `init.into`.
    """
    _check_module(config.init.into, shapes)
    side = config.data.image_size
    size = (side, side, 3)
    head = _with_statistics({f"params/{path}" for path in classifier(model, size)}, shapes)
    same = origin.label_names is not None and list(map(meaning, origin.label_names)) == list(
        map(meaning, label_names)
    )
    arrays = dict(origin.arrays)
    dropped: set[str] = set()
    if config.init.into:
        # The source is a part of this network: its own classifier has no place here.
        own = models.create(origin.network, len(origin.label_names or ()) or 7)
        dropped = _with_statistics({f"params/{path}" for path in classifier(own, size)}, arrays)
        arrays = {inside(path, config.init.into): value for path, value in arrays.items()}
        dropped = {inside(path, config.init.into) for path in dropped}
    at_source_size: dict[str, tuple[int, ...]] = {}
    if origin.image_size and origin.image_size != side:
        there = parameter_shapes(model, (origin.image_size, origin.image_size, 3))
        at_source_size = {f"params/{path}": shape for path, shape in there.items()}

    new = _named_new(config.init.new, shapes)
    arrays = {path: value for path, value in arrays.items() if path not in new}
    rows = [Row(path, shapes[path], NEW, "init.new names it") for path in new]
    for path in shapes.keys() - new:
        if path not in arrays and is_own(path.partition("/")[2], origin.pretraining, model):
            rows.append(Row(path, shapes[path], NEW, "not in the source, which was trained for another task"))
            continue
        rows.append(
            _row(path, shapes[path], arrays, path in head, same, at_source_size, origin, config.init.into)
        )
    for path in arrays.keys() - shapes.keys():
        why = why_without_place(outside(path, config.init.into), origin.pretraining, model)
        outcome, why = (SKIPPED, why) if why else _without_place(path, dropped, shapes, config.init.into)
        rows.append(Row(path, arrays[path].shape, outcome, why))
    return sorted(rows)


def _with_statistics(head: set[str], paths: Iterable[str]) -> set[str]:
    """Adds the running statistics of normalisation that belongs to the classifier."""
    layers = {path.removeprefix("params").rpartition("/")[0] for path in head} - {""}
    inside_head = (path for path in paths if path.startswith("batch_stats/"))
    return head | {
        path for path in inside_head if path.removeprefix("batch_stats").rpartition("/")[0] in layers
    }


def _check_module(module: str, shapes: Iterable[str]) -> None:
    """Raises UserError unless the network has arrays in a module; an empty name is the whole network."""
    rests = [path.partition("/")[2] for path in shapes]
    if module and not any(rest.startswith(f"{module}/") for rest in rests):
        modules = sorted({rest.rpartition("/")[0].partition("/")[0] for rest in rests} - {""})
        raise UserError(
            f"init.into={module!r} is no module of the network; the nearest are {nearest(module, modules)}"
            if modules
            else f"init.into={module!r} is no module of the network, which has none; leave it empty"
        )


def _named_new(pattern: str, shapes: Iterable[str]) -> set[str]:
    """Returns the paths that the pattern `init.new` matches after their collection; none if it is empty."""
    if not pattern:
        return set()
    try:
        named = {path for path in shapes if re.search(pattern, path.partition("/")[2])}
    except re.error as error:
        raise UserError(f"init.new {pattern!r} is no regular expression: {error}") from None
    if not named:
        last = ", ".join(sorted(path.partition("/")[2] for path in shapes)[-_SHOWN:])
        raise UserError(f"the pattern init.new={pattern!r} matches no parameter; the last ones are {last}")
    return named


def _without_place(path: str, dropped: set[str], shapes: Iterable[str], into: str) -> tuple[str, str]:
    """Returns the outcome and the reason for an array of the source that has no place in the network."""
    if path in dropped:
        return SKIPPED, "the source's classifier"
    if AFFECT in path.split("/")[1:-1] and path.endswith(("kernel", "bias")):
        return SKIPPED, "the source's head for valence and arousal"
    if into:
        # Such as FaceNet's embedding, where only the features before it are a part of the network.
        layer = "/".join(path.split("/")[: into.count("/") + 3])
        if not any(other.startswith(f"{layer}/") for other in shapes):
            return SKIPPED, f"{into} has no such layer"
    return MISFIT, "this network has no such parameter"


def _row(
    path: str,
    shape: tuple[int, ...],
    arrays: Mapping[str, np.ndarray],
    in_head: bool,
    same_classes: bool,
    at_source_size: Mapping[str, tuple[int, ...]],
    origin: Origin,
    into: str,
) -> Row:
    array = arrays.get(path)
    if in_head and not same_classes:
        names = "unknown" if origin.label_names is None else ", ".join(origin.label_names)
        return Row(path, shape, NEW, f"classifier of other classes (the source's are {names})")
    if array is not None and array.shape == shape:
        return Row(path, shape, LOADED)
    if path.startswith(f"params/{AFFECT}/") and array is None:
        return Row(path, shape, NEW, "the source has no head for valence and arousal")
    if array is not None and _of_other_channels(array.shape, shape):
        return Row(path, shape, LOADED, f"from {array.shape[2]} input channels")
    if array is not None and _are_positions(path, array.shape, shape):
        old, new = (grid_side(each[1]) for each in (array.shape, shape))
        return Row(path, shape, LOADED, f"resampled from {old}×{old} to {new}×{new} patches")
    if array is not None and at_source_size.get(path) == array.shape:
        return Row(path, shape, NEW, f"{_text(array.shape)} in the source, at {origin.image_size} pixels")
    if array is not None:
        return Row(path, shape, MISFIT, f"{_text(array.shape)} in the source")
    if into and not path.partition("/")[2].startswith(f"{into}/"):
        return Row(path, shape, NEW, f"outside of {into}")
    return Row(path, shape, NEW if in_head else MISFIT, "not in the source")


def inside(path: str, module: str) -> str:
    """Moves a path `params/…` into a module of the network; an empty module leaves it."""
    if not module:
        return path
    collection, _, rest = path.partition("/")
    return f"{collection}/{module}/{rest}"


def outside(path: str, module: str) -> str:
    """Returns a path without its collection and the module that it was moved into, see `inside`."""
    rest = path.partition("/")[2]
    return rest.removeprefix(f"{module}/") if module else rest


def _of_other_channels(source: tuple[int, ...], target: tuple[int, ...]) -> bool:
    """Checks whether two kernels `[h, w, C, O]` differ only in 1 against 3 input channels."""
    return (
        len(source) == len(target) == 4
        and {source[2], target[2]} == {1, 3}
        and source[:2] + source[3:] == target[:2] + target[3:]
    )


def _are_positions(path: str, source: tuple[int, ...], target: tuple[int, ...]) -> bool:
    """Checks whether two arrays are positions of a vision transformer, for images of different sizes."""
    alike = len(source) == len(target) == 3 and source[::2] == target[::2]
    sides = [grid_side(shape[1]) for shape in (source, target)] if alike else [None]
    return path.endswith("pos_embed") and all(sides)


def check(origin: Origin, rows: Sequence[Row], network: str) -> None:
    """Prints the arrays that do not fit, and raises UserError if there are any, or if none is loaded."""
    wrong = [row for row in rows if row.outcome == MISFIT]
    if not wrong and not any(row.outcome == LOADED for row in rows):
        raise UserError(
            f"init.from={origin.path}: no array of it would be loaded, and the run would begin at random; "
            "change init.new or init.into, or leave init.from empty"
        )
    if not wrong:
        return
    if jax.process_index() == 0:
        print(table(wrong), flush=True)
    reasons = listed((f"{row.path} {_text(row.shape)}: {row.why}" for row in wrong), _SHOWN, "; ")
    raise UserError(
        f"init.from={origin.path} is of the network {origin.network} and does not fit {network}: "
        f"{len(wrong)} arrays differ ({reasons}); name a source of the same network and options"
    )


def table(rows: Sequence[Row]) -> str:
    """Formats the outcomes as text, one line an array."""
    width = max((len(row.path) for row in rows), default=0)
    shapes = max((len(_text(row.shape)) for row in rows), default=0)
    return "\n".join(
        f"{row.path:{width}}  {_text(row.shape):{shapes}}  {row.outcome}"
        + (f": {row.why}" if row.why else "")
        for row in rows
    )


def _text(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "scalar"


def record(origin: Origin, rows: Sequence[Row]) -> dict[str, Any]:
    """Returns the content of `init.json`: the source, its checksum, counts, and the outcome of each array."""
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
