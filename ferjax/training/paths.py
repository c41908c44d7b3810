"""Trees of arrays as dictionaries from paths such as `conv1/kernel`, and back."""

from collections.abc import Callable, Mapping
from typing import Any

from flax import traverse_util


def by_path(tree: Mapping[str, Any], keep_empty: bool = False) -> dict[str, Any]:
    """Flattens nested dictionaries to path → leaf.

    >>> by_path({"conv1": {"kernel": 1, "bias": 2}})
    {'conv1/kernel': 1, 'conv1/bias': 2}

    Args:
        tree: nested dictionaries with text as keys.
        keep_empty: keeps empty dictionaries, so that `from_paths` gives all of the tree back.
    """
    flat: Any = traverse_util.flatten_dict(tree, keep_empty_nodes=keep_empty, sep="/")
    return flat


def from_paths(leaves: Mapping[str, Any]) -> dict[str, Any]:
    """Rebuilds the tree that `by_path` flattened.

    >>> from_paths({"conv1/kernel": 1, "conv1/bias": 2})
    {'conv1': {'kernel': 1, 'bias': 2}}
    """
    return traverse_util.unflatten_dict(dict(leaves), sep="/")


def map_with_path(function: Callable[[str, Any], Any], tree: Any) -> Any:
    """Applies `function(path, leaf)` to every leaf.

    >>> map_with_path(lambda path, leaf: f"{path} {leaf}", {"conv1": {"bias": 2}})
    {'conv1': {'bias': 'conv1/bias 2'}}
    """
    return traverse_util.path_aware_map(lambda path, leaf: function("/".join(map(str, path)), leaf), tree)
