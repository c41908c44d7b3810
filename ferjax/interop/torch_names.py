"""What PyTorch calls the weights of each network: one table a network, one row a layer.

The model itself says which arrays exist; a row only says what they are called and how they are laid out.
So a bias or a stage that a network's options leave out needs no row of its own.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

Convert = Callable[[np.ndarray], np.ndarray]

# PyTorch's batch normalisation counts its batches (int64 scalar); nothing here depends on the count.
COUNTER = "num_batches_tracked"


class Leaf(NamedTuple):
    """One array of a layer.

    Attributes:
        torch: its name in the PyTorch layer.
        collection: `params` or `batch_stats`.
        flax: its name in the Flax layer.
        to_flax: PyTorch's layout to Flax's; a view if it can be.
        to_torch: the inverse.
    """

    torch: str
    collection: str
    flax: str
    to_flax: Convert
    to_torch: Convert


class Row(NamedTuple):
    """One layer: `res_block1.shortcut.0` in PyTorch, `res_block1/shortcut_conv` in Flax, and its kind."""

    torch: str
    flax: str
    kind: tuple[Leaf, ...]


class Network(NamedTuple):
    """A network's layers.

    Attributes:
        rows: in PyTorch's order.
        head: PyTorch's name of the classifier, a `LINEAR` row.
        image_size: pixels; images of this size make every layer's shape known.
    """

    rows: tuple[Row, ...]
    head: str
    image_size: int


def _same(x: np.ndarray) -> np.ndarray:
    return x


def _oihw_to_hwio(x: np.ndarray) -> np.ndarray:
    return x.transpose(2, 3, 1, 0)


def _hwio_to_oihw(x: np.ndarray) -> np.ndarray:
    return x.transpose(3, 2, 0, 1)


def _transposed(x: np.ndarray) -> np.ndarray:
    return x.T


def _vector(torch: str, flax: str, collection: str = "params") -> Leaf:
    return Leaf(torch, collection, flax, _same, _same)


CONV = (Leaf("weight", "params", "kernel", _oihw_to_hwio, _hwio_to_oihw), _vector("bias", "bias"))
LINEAR = (Leaf("weight", "params", "kernel", _transposed, _transposed), _vector("bias", "bias"))
BATCH_NORM = (
    _vector("weight", "scale"),
    _vector("bias", "bias"),
    _vector("running_mean", "mean", "batch_stats"),
    _vector("running_var", "var", "batch_stats"),
)


def _resemotenet() -> Iterator[Row]:
    for stage in (1, 2, 3):
        yield Row(f"conv{stage}", f"conv{stage}", CONV)
        yield Row(f"bn{stage}", f"bn{stage}", BATCH_NORM)
    yield Row("se.fc.0", "se/fc1", LINEAR)
    yield Row("se.fc.2", "se/fc2", LINEAR)
    for block in ("res_block1", "res_block2", "res_block3"):
        for layer in (1, 2):
            yield Row(f"{block}.conv{layer}", f"{block}/conv{layer}", CONV)
            yield Row(f"{block}.bn{layer}", f"{block}/bn{layer}", BATCH_NORM)
        yield Row(f"{block}.shortcut.0", f"{block}/shortcut_conv", CONV)
        yield Row(f"{block}.shortcut.1", f"{block}/shortcut_bn", BATCH_NORM)
    for layer in (1, 2, 3, 4):
        yield Row(f"fc{layer}", f"fc{layer}", LINEAR)


NETWORKS = {
    "resemotenet": Network(tuple(_resemotenet()), head="fc4", image_size=64),
}
