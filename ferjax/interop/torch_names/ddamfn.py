"""DDAMFN's names in PyTorch: those of the authors' files, with layers that are never called."""

from collections.abc import Iterator

import numpy as np

from ferjax.interop.name_tables import BATCH_NORM, CONV, LINEAR, Network, Row, idle_arrays
from ferjax.interop.torch_names.mobilefacenet import block_rows
from ferjax.models.ddamfn import BLOCKS, DDAMFN, MOST_HEADS
from ferjax.models.mobilefacenet import FEATURES

# The modules of the features have numbers: conv1, conv2_dw, the stages, conv_6_sep.
_NUMBERS = {name: str(number) for number, name in enumerate(BLOCKS, start=2)}
_LAST = str(len(BLOCKS) + 2)


def _blocks() -> Iterator[tuple[str, str, dict[int, int]]]:
    """Yields PyTorch's and Flax's names of all blocks, and their channels by kernel size."""
    for name, (_, split, _, blocks) in BLOCKS.items():
        for number in range(blocks):
            inside, own = (f".model.{number}", f"{name}_{number}") if blocks > 1 else ("", name)
            yield f"features.{_NUMBERS[name]}{inside}", f"features/{own}", split


def _gates(torch: str, flax: str) -> Iterator[Row]:
    yield Row(f"{torch}.conv1", f"{flax}/conv1", CONV)
    yield Row(f"{torch}.bn1", f"{flax}/bn1", BATCH_NORM)
    yield Row(f"{torch}.conv2", f"{flax}/conv2", CONV)
    yield Row(f"{torch}.conv3", f"{flax}/conv3", CONV)


def _rows() -> Iterator[Row]:
    yield from block_rows("features.0", "features/conv1")
    yield from block_rows("features.1", "features/conv2_dw")
    for torch, flax, split in _blocks():
        yield from block_rows(f"{torch}.conv", f"{flax}/conv")
        for number in range(len(split)):
            yield Row(f"{torch}.conv_dw.mixed_depthwise_conv.{number}", f"{flax}/conv_dw/conv{number}", CONV)
        yield from _gates(f"{torch}.CA", f"{flax}/CA")
        yield from block_rows(f"{torch}.project", f"{flax}/project", rectified=False)
    yield from block_rows(f"features.{_LAST}", "features/conv_6_sep")
    for number in range(MOST_HEADS):
        torch, flax = f"cat_head{number}.CoordAtt", f"cat_head{number}"
        more = number >= DDAMFN.heads
        rows = (
            *_gates(torch, f"{flax}/gates"),
            *block_rows(f"{torch}.Linear_h", f"{flax}/Linear_h", rectified=False),
            *block_rows(f"{torch}.Linear_w", f"{flax}/Linear_w", rectified=False),
        )
        yield from (row._replace(optional=more) for row in rows)
    yield from block_rows("Linear", "Linear", rectified=False)
    yield Row("fc", "fc", LINEAR)


def _idle(classes: int) -> dict[str, np.ndarray]:
    """Makes what the authors' modules have and never call, with two heads and images of 112×112."""
    layers: list[tuple[str, str, tuple[int, ...]]] = []
    for torch, _, split in _blocks():
        inside = (sum(split.values()),)
        layers += [(f"{torch}.conv_dw.bn", "norm", inside), (f"{torch}.conv_dw.prelu", "prelu", inside)]
    for number in range(DDAMFN.heads):
        torch = f"cat_head{number}.CoordAtt.Linear"
        layers += [(f"{torch}.conv", "weight", (FEATURES, 1, 7, 7)), (f"{torch}.bn", "norm", (FEATURES,))]
    return idle_arrays(*layers, ("bn", "norm", (classes,)))


NETWORKS = {
    "ddamfn": Network(
        rows=tuple(_rows()),
        head="fc",
        image_size=112,
        counterpart="ferjax.interop.torch_models.ddamfn:DDAMFN",
        blocks=(
            *((torch, flax) for torch, flax, _ in _blocks()),
            *((f"cat_head{number}", f"cat_head{number}") for number in range(DDAMFN.heads)),
        ),
        idle=_idle,
    ),
}
