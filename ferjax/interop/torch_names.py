"""The words in which a network's PyTorch names are told: one table a network, one row a layer.

The model itself says which arrays exist; a row only says what they are called and how they are laid out.
So a bias or a stage that a network's options leave out needs no row of its own.
"""

from collections.abc import Callable, Iterable, Iterator
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
    """One layer: `res_block1.shortcut.0` in PyTorch, `res_block1/shortcut_conv` in Flax, and its kind.

    Both names are empty for arrays that the network itself holds.
    """

    torch: str
    flax: str
    kind: tuple[Leaf, ...]

    def torch_key(self, leaf: Leaf) -> str:
        """What the state dict calls an array of this layer."""
        return f"{self.torch}.{leaf.torch}".removeprefix(".")

    def path(self, leaf: Leaf) -> str:
        """Where the variables have it, such as `params/conv1/kernel`."""
        return "/".join(filter(None, (leaf.collection, self.flax, leaf.flax)))


class Network(NamedTuple):
    """A network's layers, and its counterpart in PyTorch.

    Attributes:
        rows: in PyTorch's order.
        head: PyTorch's name of the classifier, a `LINEAR` row.
        image_size: pixels; images of this size make every layer's shape known, and are compared with.
        counterpart: `package.module:callable`, imported only for comparisons; `callable(num_classes,
            **options)`, with the options of `ferjax.models.create`, gives a `torch.nn.Module` from normalised
            images `[B, 3, H, W]` to logits `[B, num_classes]`. In training mode it leaves an auxiliary loss
            `[B]`, where the network has one, in its attribute `auxiliary_loss`.
        blocks: (PyTorch's module, Flax's path) of modules above the layers whose outputs are equal.
    """

    rows: tuple[Row, ...]
    head: str
    image_size: int
    counterpart: str
    blocks: tuple[tuple[str, str], ...] = ()


def _same(x: np.ndarray) -> np.ndarray:
    return x


def _oihw_to_hwio(x: np.ndarray) -> np.ndarray:
    return x.transpose(2, 3, 1, 0)


def _hwio_to_oihw(x: np.ndarray) -> np.ndarray:
    return x.transpose(3, 2, 0, 1)


def _transposed(x: np.ndarray) -> np.ndarray:
    return x.T


def vector(torch: str, flax: str, collection: str = "params") -> Leaf:
    """An array that both sides lay out alike."""
    return Leaf(torch, collection, flax, _same, _same)


CONV = (Leaf("weight", "params", "kernel", _oihw_to_hwio, _hwio_to_oihw), vector("bias", "bias"))
LINEAR = (Leaf("weight", "params", "kernel", _transposed, _transposed), vector("bias", "bias"))
BATCH_NORM = (
    vector("weight", "scale"),
    vector("bias", "bias"),
    vector("running_mean", "mean", "batch_stats"),
    vector("running_var", "var", "batch_stats"),
)


def under(name: str, rows: Iterable[Row]) -> Iterator[Row]:
    """The rows of a network that is the module `name` of another one."""
    for row in rows:
        yield Row(f"{name}.{row.torch}", f"{name}/{row.flax}", row.kind)
