"""Finds the state dict of a network in what a file holds, or says in one line why there is none."""

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from ferjax.errors import UserError, listed
from ferjax.interop.differences import Difference, compare, shown
from ferjax.interop.image_sizes import follow_size, size_shown
from ferjax.interop.name_tables import BATCH_NORM, COUNTER, Network
from ferjax.interop.network_arrays import Weight, arrays_of
from ferjax.interop.state_dict_places import Place, Reading, is_array, places, readings

logger = logging.getLogger(__name__)

HEADS = ("strict", "fit", "new")
_MOST_CLASSES = 2**16

Describe = Callable[[int | None], dict[str, Weight]]


class Request(NamedTuple):
    """What a state dict is wanted for.

    Attributes:
        name: of the network.
        network: its table.
        num_classes: of its classifier; None: as many as the state dict's.
        head: one of `HEADS`.
        options: of the network.
        size_known: the images have the size in the table; else another size is tried if the arrays say so.
    """

    name: str
    network: Network
    num_classes: int | None
    head: str
    options: Mapping[str, Any]
    size_known: bool

    def weights(self, num_classes: int | None, image_size: int | None = None) -> dict[str, Weight]:
        """Describes the network's arrays."""
        network = self.network._replace(image_size=image_size) if image_size else self.network
        return arrays_of(self.name, network, num_classes, self.options)


class Fit(NamedTuple):
    """The entries that a network takes.

    Attributes:
        weights: the network's arrays, without the classifier if that is left out.
        entries: their values, by the same names.
    """

    weights: dict[str, Weight]
    entries: dict[str, Any]


class _Trial(NamedTuple):
    """A reading compared with the network.

    Attributes:
        reading: of a place.
        weights: what the network takes.
        entries: those that it knows by their names.
        difference: what does not fit.
        told: what was left out or changed, a clause each.
        image_size: another than the table's, if the arrays show one.
    """

    reading: Reading
    weights: dict[str, Weight]
    entries: dict[str, Any]
    difference: Difference
    told: tuple[str, ...] = ()
    image_size: int | None = None


def find(request: Request, content: Any) -> Fit:
    """Finds the one dictionary in a content that fits a network, by its own names or with a prefix less.

    Which wrapper or prefix was taken is logged.

    Args:
        request: the network.
        content: names to arrays, or dictionaries and lists around them.

    Raises:
        UserError: nothing fits, or two things do.
    """
    if not isinstance(content, Mapping | list | tuple) or not content:
        raise UserError(_no_state_dict(content))
    described: dict[int | None, dict[str, Weight]] = {}

    def weights(num_classes: int | None) -> dict[str, Weight]:
        if num_classes not in described:
            described[num_classes] = request.weights(num_classes)
        return described[num_classes]

    names = weights(request.num_classes).keys()
    found = [
        reading
        for place in places(content)
        for spoken in _in_dialects(place, request.network)
        for reading in readings(spoken, names)
    ]
    if not found:
        raise UserError(_no_state_dict(content))
    most = max(_common(reading, names) for reading in found)
    near = [reading for reading in found if _common(reading, names) * 2 >= most]
    trials = [_tried(request, reading, weights) for reading in near[:64]]
    fitting = [trial for trial in trials if not any(trial.difference)]
    if not fitting and not request.size_known:
        fitting = _at_another_size(request, trials)
    if not fitting:
        best = max(trials, key=lambda trial: (_common(trial.reading, names), -len(trial.difference.unknown)))
        raise UserError(_difference(request, best))
    trial = _only(fitting)
    _log(request, trial)
    return Fit(trial.weights, trial.entries)


def _in_dialects(place: Place, network: Network) -> Iterator[Place]:
    """Yields a place by its own names, and by those that other authors' stand for."""
    yield place
    for dialect in network.dialects:
        if fitted := dialect(place.entries):
            yield place._replace(entries=fitted.entries, told=fitted.told)


def _no_state_dict(content: Any) -> str:
    return (
        f"a state dict maps names to arrays, which this {type(content).__name__} does not: pass "
        "model.state_dict() or what torch.load gives for its file"
    )


def _common(reading: Reading, names: Iterable[str]) -> int:
    return sum(name in reading.entries for name in names)


def _tried(request: Request, reading: Reading, weights: Describe) -> _Trial:
    """Compares names and shapes; batch counters, and the classifier where it is left out, do not count."""
    network, given = request.network, reading.entries
    own = _leading(given.get(f"{network.head}.weight"))
    classes = request.num_classes or own
    head = request.head
    if head == "fit":
        head = "strict" if own in (None, classes) else "new"
    expected = weights(classes)
    given = _without_aliases(network, given)
    counters = {f"{row.torch}.{COUNTER}" for row in network.rows if row.kind is BATCH_NORM}
    given = {key: value for key, value in given.items() if key not in counters}
    if head == "new":
        for layer in (network.head, *network.with_head):
            expected, given = _without(layer, expected), _without(layer, given)
    told = list(reading.place.told)
    never_called = network.idle(1).keys() if network.idle else ()
    if network.unused or never_called:
        idle = [
            key
            for key in given
            if key not in expected
            and (key in never_called or (network.unused and re.match(network.unused, key)))
        ]
        given = {key: value for key, value in given.items() if key not in idle}
        told += [f"left out, for the network does not use them: {shown(idle, 3)}"] if idle else []
    if network.adapt:
        wanted = {key: weight.torch_shape for key, weight in expected.items()}
        given, more = network.adapt(given, wanted, request.size_known)
        told += more
    shapes = {key: tuple(np.shape(value)) if key in expected else () for key, value in given.items()}
    difference = compare({key: weight.torch_shape for key, weight in expected.items()}, shapes)
    extra = any(is_array(given[key]) for key in difference.unknown)
    if not (extra or difference.missing or difference.misshapen):
        difference = difference._replace(unknown=[])  # numbers and texts beside the arrays
    known = {key: given[key] for key in expected if key in given}
    return _Trial(reading, expected, known, difference, tuple(told))


def _leading(array: Any) -> int | None:
    """Returns the length of the first axis: the number of classes, for a classifier's weight."""
    shape = np.shape(array) if is_array(array) else ()
    return shape[0] if shape and 0 < shape[0] <= _MOST_CLASSES else None


def _without(layer: str, entries: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entries.items() if not f"{key}.".startswith(f"{layer}.")}


def _without_aliases(network: Network, entries: Mapping[str, Any]) -> dict[str, Any]:
    """Leaves second names of a layer out; a layer that has only its second name gets the first."""
    found = dict(entries)
    for alias, name in network.aliases:
        for key in [key for key in found if key.startswith(f"{alias}.")]:
            value = found.pop(key)
            found.setdefault(name + key.removeprefix(alias), value)
    return found


def _at_another_size(request: Request, trials: list[_Trial]) -> list[_Trial]:
    """Tries the trials that differ only in layers whose size follows the image's, at the size they show."""
    fitting = []
    for trial in trials:
        missing, unknown, misshapen = trial.difference
        has = {key: shape for key, (shape, _) in misshapen.items()}
        if missing or unknown or not has:
            continue
        size = size_shown(_shapes_at(request, trial), has, request.network.image_size)
        if size:
            weights = request.weights(_classes(request, trial), size)
            weights = {key: weights[key] for key in trial.weights}
            fitting.append(trial._replace(weights=weights, image_size=size))
    return fitting


def _classes(request: Request, trial: _Trial) -> int | None:
    return request.num_classes or _leading(trial.entries.get(f"{request.network.head}.weight"))


def _shapes_at(request: Request, trial: _Trial) -> Callable[[int], dict[str, tuple[int, ...]]]:
    """Returns a function from the size of images to the shapes of the network's arrays."""

    def shapes(size: int) -> dict[str, tuple[int, ...]]:
        weights = request.weights(_classes(request, trial), size)
        return {key: weight.torch_shape for key, weight in weights.items()}

    return shapes


def _only(fitting: list[_Trial]) -> _Trial:
    """Returns the one that fits best known: of several only one where state dicts usually are.

    Raises:
        UserError: there are several, and nothing says which.
    """
    first: dict[str, _Trial] = {}  # of several readings of a place the plainest
    for trial in fitting:
        first.setdefault(trial.reading.place.wrapper, trial)
    chosen = [trial for trial in first.values() if trial.reading.place.usual] or list(first.values())
    if len(chosen) == 1 or chosen[0].reading.place.usual:
        return chosen[0]
    keys = [trial.reading.place.wrapper[:60] for trial in chosen]
    raise UserError(
        f"the state dicts under {listed(map(repr, keys), 3)} all fit; take one: import torch; "
        f"torch.save(torch.load(FILE)[{keys[0].partition('.')[0]!r}], 'weights.pth')"
    )


def _log(request: Request, trial: _Trial) -> None:
    if words := trial.reading.words:
        logger.info("%s: the state dict is taken %s", request.name, words)
    if trial.image_size:
        logger.info("%s: the weights are those for images of %d pixels", request.name, trial.image_size)
    for clause in trial.told:
        logger.info("%s: %s", request.name, clause)
    entries = trial.reading.entries
    if extra := [key for key in entries if key not in trial.entries and not is_array(entries[key])]:
        logger.info("%s: left out, for they are no arrays: %s", request.name, shown(extra, 3))


def _difference(request: Request, trial: _Trial) -> str:
    """Says what differs, the reason first and lists cut, so that the whole is short."""
    place = f" {trial.reading.words}" if trial.reading.words else ""
    start = f"the state dict{place} is not that of {request.name}: "
    if not trial.entries:
        return (
            f"{start}it has none of the names, such as {shown(trial.weights, 2)}; its names are "
            f"{shown(trial.reading.entries, 3)}"
        )
    return trial.difference.words(start + _hint(request, trial))


def _hint(request: Request, trial: _Trial) -> str:
    classifier = f"{request.network.head}.weight"
    own = _leading(trial.entries.get(classifier))
    misshapen = trial.difference.misshapen
    if classifier in misshapen and own and own != request.num_classes is not None:
        return (
            f"its classifier has {own} classes, not {request.num_classes}: pass that num_classes, or "
            "head='fit' to leave the classifier out; "
        )
    size = request.network.image_size
    if request.size_known and follow_size(_shapes_at(request, trial), dict.fromkeys(misshapen, ()), size):
        return f"image_size {size} is not that of its training; "
    return ""
