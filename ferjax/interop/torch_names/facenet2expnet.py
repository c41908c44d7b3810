"""FaceNet2ExpNet's names in PyTorch, alone and behind RAN's regions."""

from collections.abc import Iterator

from ferjax.interop.name_tables import BATCH_NORM, CONV, LINEAR, Network, Row, under
from ferjax.interop.torch_names.facenet import trunk_rows
from ferjax.interop.torch_names.ran import ATTENTION
from ferjax.models.facenet2expnet import STAGES


def _expression_net() -> Iterator[Row]:
    for stage in range(1, len(STAGES) + 1):
        yield Row(f"conv{stage}", f"conv{stage}", CONV)
        yield Row(f"bn{stage}", f"bn{stage}", BATCH_NORM)
    yield Row("top", "top", CONV)


def _rows() -> Iterator[Row]:
    """Yields the rows that the network alone and the joint model have."""
    yield from under("expression_net", _expression_net())
    yield from under("face_net", trunk_rows())
    yield Row("fc1", "fc1", LINEAR)
    yield Row("fc2", "fc2", LINEAR)


NETWORKS = {
    "facenet2expnet": Network(
        rows=tuple(_rows()),
        head="fc2",
        image_size=80,
        counterpart="ferjax.interop.torch_models.facenet2expnet:FaceNet2ExpNet",
        blocks=(("expression_net", "expression_net"),),
    ),
    "ran_facenet2expnet": Network(
        rows=(*_rows(), *ATTENTION),
        head="fc2",
        image_size=80,
        counterpart="ferjax.interop.torch_models.facenet2expnet:RANFaceNet2ExpNet",
        blocks=(("expression_net", "expression_net"), ("attention", "attention")),
    ),
}
