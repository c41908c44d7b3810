"""RAN's names in PyTorch; those of its backbone are torchvision's."""

from collections.abc import Iterator

from ferjax.interop.name_tables import LINEAR, Network, Row, under
from ferjax.interop.torch_names.resnet import NETWORKS as RESNETS
from ferjax.models.ran import RAN

_BACKBONE = RESNETS[RAN.backbone]
ATTENTION = tuple(Row(f"attention.{query}", f"attention/{query}", LINEAR) for query in ("q0", "q1"))


def _rows() -> Iterator[Row]:
    yield from under("backbone", (row for row in _BACKBONE.rows if row.torch != _BACKBONE.head))
    yield from ATTENTION
    yield Row("fc", "fc", LINEAR)


NETWORKS = {
    "ran": Network(
        rows=tuple(_rows()),
        head="fc",
        image_size=64,
        counterpart="ferjax.interop.torch_models.ran:RAN",
        blocks=(
            *((f"backbone.{torch}", f"backbone/{flax}") for torch, flax in _BACKBONE.blocks),
            ("attention", "attention"),
        ),
    ),
}
