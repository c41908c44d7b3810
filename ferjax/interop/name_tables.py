"""Tables of a network's names in PyTorch: one table a network, one row a layer.

The model itself says which arrays exist; a row only says what they are called and how they are laid out.
So a bias or a stage that a network's options leave out needs no row of its own.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

Convert = Callable[[np.ndarray], np.ndarray]

# PyTorch's batch normalisation counts its batches (an int64 scalar); no computation depends on the count.
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
    """One layer, such as `res_block1.shortcut.0` in PyTorch and `res_block1/shortcut_conv` in Flax.

    Attributes:
        torch: the layer's name in PyTorch; empty for arrays that the network itself holds.
        flax: its path in Flax; likewise.
        kind: the layer's arrays, such as `CONV`.
        optional: whether the network has it only with some of its options.
        loss_only: whether only the network's own losses read it, so that authors' files do not have it.
    """

    torch: str
    flax: str
    kind: tuple[Leaf, ...]
    optional: bool = False
    loss_only: bool = False

    def torch_key(self, leaf: Leaf) -> str:
        """Returns the state dict's name of an array of this layer."""
        return f"{self.torch}.{leaf.torch}".removeprefix(".")

    def path(self, leaf: Leaf) -> str:
        """Returns the path of an array in the variables, such as `params/conv1/kernel`."""
        return "/".join(filter(None, (leaf.collection, self.flax, leaf.flax)))


class Fitted(NamedTuple):
    """A state dict that was brought nearer to a network.

    Attributes:
        entries: names and arrays.
        told: what was done, a clause each; it is printed.
    """

    entries: dict[str, Any]
    told: tuple[str, ...]


class Network(NamedTuple):
    """The layers of a network, and its counterpart in PyTorch.

    Attributes:
        rows: in PyTorch's order.
        head: PyTorch's name of the classifier, a `LINEAR` row.
        image_size: pixels, both sides, of the images that comparisons use, and that give every layer its
            shape.
        counterpart: `package.module:callable`, imported only for comparisons; `callable(num_classes,
            **options)`, with the options of `ferjax.models.create`, gives a `torch.nn.Module` from normalised
            images `[B, 3, H, W]` to logits `[B, num_classes]`. In training mode it leaves an auxiliary loss
            `[B]`, or `[B, K]` by class, where the network has one, in its attribute `auxiliary_loss`.
        blocks: (PyTorch's module, Flax's path) of modules above the layers whose outputs are equal.
        dialects: functions from the entries of a file to those under the names of `rows`, for authors who
            named the same layers otherwise; each returns None for a file that is not in its dialect.
        unused: pattern on the names of arrays that authors' files have and the network does not need, such as
            a decoder for pre-training; they are left out, which is told. Empty: there are none.
        adapt: function `(entries, shapes, resize)` that mends entries whose names fit already: the network's
            names and PyTorch shapes are given, and whether the image size is known, so that what belongs to
            another one is to be resampled.
        with_head: PyTorch's names of other layers or arrays whose size is the number of classes, or that
            belong to the classifier; they are left out with it.
        idle: function of the number of classes that gives names and values of arrays that authors' files
            have for layers which the network never calls. An import leaves them out, which is told; an export
            in the authors' form writes them.
        aliases: (name, name in `rows`) of layers that authors' files have under two names.
    """

    rows: tuple[Row, ...]
    head: str
    image_size: int
    counterpart: str
    blocks: tuple[tuple[str, str], ...] = ()
    dialects: tuple[Callable[[Mapping[str, Any]], Fitted | None], ...] = ()
    unused: str = ""
    adapt: Callable[[dict[str, Any], Mapping[str, tuple[int, ...]], bool], Fitted] | None = None
    with_head: tuple[str, ...] = ()
    idle: Callable[[int], dict[str, np.ndarray]] | None = None
    aliases: tuple[tuple[str, str], ...] = ()


def _same(x: np.ndarray) -> np.ndarray:
    return x


def _oihw_to_hwio(x: np.ndarray) -> np.ndarray:
    return x.transpose(2, 3, 1, 0)


def _hwio_to_oihw(x: np.ndarray) -> np.ndarray:
    return x.transpose(3, 2, 0, 1)


def _iohw_to_hwio(x: np.ndarray) -> np.ndarray:
    return x.transpose(2, 3, 0, 1)  # its own inverse


def _transposed(x: np.ndarray) -> np.ndarray:
    return x.T


def _oi11_to_io(x: np.ndarray) -> np.ndarray:
    return x[:, :, 0, 0].T


def _io_to_oi11(x: np.ndarray) -> np.ndarray:
    return x.T[:, :, None, None]


def vector(torch: str, flax: str, collection: str = "params") -> Leaf:
    """Describes an array that both frameworks lay out alike."""
    return Leaf(torch, collection, flax, _same, _same)


CONV = (Leaf("weight", "params", "kernel", _oihw_to_hwio, _hwio_to_oihw), vector("bias", "bias"))
LINEAR = (Leaf("weight", "params", "kernel", _transposed, _transposed), vector("bias", "bias"))
# A 1×1 convolution there, a linear layer of `ferjax.layers` here.
POINTWISE = (Leaf("weight", "params", "kernel", _oi11_to_io, _io_to_oi11), vector("bias", "bias"))
# Of a transposed convolution: [in, out, h, w] in PyTorch, [h, w, in, out] here.
CONV_TRANSPOSE = (Leaf("weight", "params", "kernel", _iohw_to_hwio, _iohw_to_hwio), vector("bias", "bias"))
PRELU = (vector("weight", "slope"),)
LAYER_NORM = (vector("weight", "scale"), vector("bias", "bias"))
BATCH_NORM = (
    vector("weight", "scale"),
    vector("bias", "bias"),
    vector("running_mean", "mean", "batch_stats"),
    vector("running_var", "var", "batch_stats"),
)


def numbered(name: str, kind: tuple[Leaf, ...], count: int) -> Iterator[Row]:
    """Yields rows of layers that both frameworks call `name1`, `name2`, …"""
    return (Row(f"{name}{number}", f"{name}{number}", kind) for number in range(1, count + 1))


def under(name: str, rows: Iterable[Row]) -> Iterator[Row]:
    """Yields the rows of a network that is the module `name` of another one."""
    for row in rows:
        torch, flax = f"{name}.{row.torch}".removesuffix("."), f"{name}/{row.flax}".removesuffix("/")
        yield Row(torch, flax, row.kind, row.optional, row.loss_only)


def renamed(entries: Mapping[str, Any], rules: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Replaces parts of names, in the order of the rules.

    Args:
        entries: names and arrays.
        rules: (pattern, replacement) of `re.sub`; a pattern begins where a name or a part between dots does.
    """
    compiled = [(re.compile(rf"(?:(?<=\.)|^)(?:{pattern})"), replacement) for pattern, replacement in rules]
    result = {}
    for name, value in entries.items():
        for pattern, replacement in compiled:
            name = pattern.sub(replacement, name)
        result[name] = value
    return result


def idle_arrays(*layers: tuple[str, str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Makes arrays of layers that are never called: zeros, but ones for scales and variances.

    Args:
        *layers: name, kind and the weight's shape in PyTorch; the kind is `weight`, `biased` for a weight
            with a bias of the first axis' length, `norm` for batch normalisation, or `prelu`.
    """
    arrays: dict[str, np.ndarray] = {}
    for name, kind, shape in layers:
        fill = np.ones if kind in ("norm", "prelu") else np.zeros
        arrays[f"{name}.weight"] = fill(shape, np.float32)
        if kind in ("biased", "norm"):
            arrays[f"{name}.bias"] = np.zeros(shape[0], np.float32)
        if kind == "norm":
            arrays[f"{name}.running_mean"] = np.zeros(shape, np.float32)
            arrays[f"{name}.running_var"] = np.ones(shape, np.float32)
            arrays[f"{name}.{COUNTER}"] = np.array(0, np.int64)
    return arrays
