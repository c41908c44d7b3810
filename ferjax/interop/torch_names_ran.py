"""RAN's names in PyTorch, alone and before FaceNet2ExpNet; those of the backbone are torchvision's."""

from collections.abc import Iterator

from ferjax.interop.torch_names import LINEAR, Network, Row, under
from ferjax.interop.torch_names_facenet import facenet2expnet_rows
from ferjax.interop.torch_names_resnet import NETWORKS as RESNETS
from ferjax.models.ran import RAN

_BACKBONE = RESNETS[RAN.backbone]
_ATTENTION = tuple(Row(f"attention.{query}", f"attention/{query}", LINEAR) for query in ("q0", "q1"))


def _ran() -> Iterator[Row]:
    yield from under("backbone", (row for row in _BACKBONE.rows if row.torch != _BACKBONE.head))
    yield from _ATTENTION
    yield Row("fc", "fc", LINEAR)


NETWORKS = {
    "ran": Network(
        rows=tuple(_ran()),
        head="fc",
        image_size=64,
        counterpart="ferjax.interop.torch_models.ran:RAN",
        blocks=(
            *((f"backbone.{torch}", f"backbone/{flax}") for torch, flax in _BACKBONE.blocks),
            ("attention", "attention"),
        ),
    ),
    "ran_facenet2expnet": Network(
        rows=(*facenet2expnet_rows(), *_ATTENTION),
        head="fc2",
        image_size=80,
        counterpart="ferjax.interop.torch_models.facenet2expnet:RANFaceNet2ExpNet",
        blocks=(("expression_net", "expression_net"), ("attention", "attention")),
    ),
}
