"""Where the state dict lies in what a training script saved, and what stands before its names."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

# DataParallel and torch.compile put these into names, at the beginning or where they wrap a part.
_SEGMENTS = ("module", "_orig_mod")
# Where the state dict is preferred, if others lie beside it, such as averaged weights.
_USUAL = ("model_state_dict", "state_dict")
_DEEPEST = 5
_MOST = 20_000  # mappings and sequences that are looked at
_PREFIXES = 8


class Place(NamedTuple):
    """A dictionary of arrays in a content.

    Attributes:
        wrapper: the keys that lead to it, such as `net` or `checkpoint.model`; empty: the content itself.
        entries: its names and values.
        usual: it is the content, or under the keys where PyTorch's tutorials put it.
        told: what was done to read other authors' names, a clause each.
    """

    wrapper: str
    entries: Mapping[str, Any]
    usual: bool
    told: tuple[str, ...] = ()


class Reading(NamedTuple):
    """The entries of a place by the names of a network.

    Attributes:
        place: where they are.
        removed: what was taken from the names, such as `module.`; empty: nothing.
        entries: the new names and the values.
    """

    place: Place
    removed: str
    entries: dict[str, Any]

    @property
    def words(self) -> str:
        """Says where the entries are: "under 'net', without 'module.' in their names"; may be empty."""
        parts = [f"under {self.place.wrapper[:60]!r}"] if self.place.wrapper else []
        parts += [f"without {self.removed[:60]!r} in their names"] if self.removed else []
        return ", ".join(parts)


def is_array(value: Any) -> bool:
    """Checks whether a value has a shape, as arrays and tensors have."""
    return hasattr(value, "shape")


def places(content: Any) -> Iterator[Place]:
    """Yields every dictionary that names arrays, each once, those further out first."""
    seen: set[int] = set()
    level: list[tuple[tuple[str, ...], Any]] = [((), content)]
    for _ in range(_DEEPEST):
        inner: list[tuple[tuple[str, ...], Any]] = []
        for path, value in level:
            if id(value) in seen or len(seen) >= _MOST:
                continue
            seen.add(id(value))
            if isinstance(value, Mapping) and any(
                isinstance(key, str) and is_array(item) for key, item in value.items()
            ):
                yield Place(
                    ".".join(path),
                    {key: item for key, item in value.items() if isinstance(key, str)},
                    usual=all(key in _USUAL for key in path),
                )
            pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
            inner += [
                ((*path, str(key)), item) for key, item in pairs if isinstance(item, Mapping | list | tuple)
            ]
        level = inner


def readings(place: Place, expected: Collection[str]) -> Iterator[Reading]:
    """Yields the ways to read a place's names: as they are, and without what stands before known ones.

    Args:
        place: names and arrays.
        expected: the names of the network.
    """
    yield Reading(place, "", dict(place.entries))
    for removed, names in _shorter(place.entries, expected):
        if len(set(names.values())) == len(names):
            yield Reading(place, removed, {names[key]: value for key, value in place.entries.items()})


def _shorter(keys: Collection[str], expected: Collection[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yields (what is removed, old name → new name), for segments of wrappers, for prefixes, and for both."""
    plain = {key: key for key in keys}
    bare = {key: ".".join(part for part in key.split(".") if part not in _SEGMENTS) for key in keys}
    found = [part for part in _SEGMENTS if any(part in key.split(".") for key in keys)]
    segments = " and ".join(f"{part}." for part in found)
    for removed, names in (("", plain), (segments, bare)) if found else (("", plain),):
        if removed:
            yield removed, names
        for prefix in _prefixes(names.values(), expected):
            shorter = {key: name.removeprefix(prefix) for key, name in names.items()}
            yield " and ".join(filter(None, (removed, prefix))), shorter


def _prefixes(names: Collection[str], expected: Collection[str]) -> list[str]:
    """Returns what stands before known names, the most frequent first."""
    known = set(expected)
    counts: Counter[str] = Counter()
    for name in names:
        parts = name.split(".")[:12]
        for start in range(1, len(parts)):
            prefix = ".".join(parts[:start]) + "."
            if name[len(prefix) :] in known:
                counts[prefix] += 1
    return [prefix for prefix, _ in counts.most_common(_PREFIXES)]
