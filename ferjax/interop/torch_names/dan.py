"""DAN's names in PyTorch: those of the authors' files, which do not have the centres of the affinity loss."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ferjax.interop.name_tables import BATCH_NORM, CONV, LINEAR, Fitted, Network, Row, vector
from ferjax.interop.torch_names.resnet import NETWORKS as RESNETS
from ferjax.models.dan import HEADS

_TRUNK = RESNETS["resnet18"]


def _trunk_name(name: str) -> str:
    """Returns a layer's name in the list of torchvision's children: conv1, bn1, ReLU, pool, four stages."""
    if name.startswith("layer"):
        return f"{int(name[5]) + 3}{name[6:]}"
    return {"conv1": "0", "bn1": "1"}[name]


def _rows() -> Iterator[Row]:
    yield Row("", "", (vector("centers", "centers"),), loss_only=True)
    for row in _TRUNK.rows:
        if row.torch != _TRUNK.head:
            yield Row(f"features.{_trunk_name(row.torch)}", f"features/{row.flax}", row.kind)
    for number in range(HEADS):
        torch, flax = f"cat_head{number}", f"cat_head{number}"
        for theirs, ours in (
            ("conv1x1", "1x1"),
            ("conv_3x3", "3x3"),
            ("conv_1x3", "1x3"),
            ("conv_3x1", "3x1"),
        ):
            yield Row(f"{torch}.sa.{theirs}.0", f"{flax}/sa/conv_{ours}", CONV)
            yield Row(f"{torch}.sa.{theirs}.1", f"{flax}/sa/bn_{ours}", BATCH_NORM)
        yield Row(f"{torch}.ca.attention.0", f"{flax}/ca/fc1", LINEAR)
        yield Row(f"{torch}.ca.attention.1", f"{flax}/ca/bn", BATCH_NORM)
        yield Row(f"{torch}.ca.attention.3", f"{flax}/ca/fc2", LINEAR)
    yield Row("fc", "fc", LINEAR)
    yield Row("bn", "bn", BATCH_NORM)


def _adapt(entries: dict[str, Any], shapes: Mapping[str, tuple[int, ...]], resize: bool) -> Fitted:
    """Draws the centres, which the authors keep beside the network and do not store."""
    shape = shapes.get("centers")
    if shape is None or "centers" in entries:
        return Fitted(entries, ())
    drawn = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    told = "the centres of the affinity loss are not in the file; they begin anew"
    return Fitted({**entries, "centers": drawn}, (told,))


NETWORKS = {
    "dan": Network(
        rows=tuple(_rows()),
        head="fc",
        image_size=64,
        counterpart="ferjax.interop.torch_models.dan:DAN",
        blocks=tuple((f"cat_head{number}", f"cat_head{number}") for number in range(HEADS)),
        adapt=_adapt,
        with_head=("bn", "centers"),
    ),
}
