"""FaceNet's names in PyTorch: those of facenet-pytorch.

facenet-pytorch's published weights expect the option `fixed_standardisation`.
"""

from collections.abc import Iterator

from ferjax.interop.name_tables import BATCH_NORM, CONV, LINEAR, Network, Row
from ferjax.models.facenet import (
    BLOCK_8,
    REDUCTION_A,
    REDUCTION_B,
    STAGE_8,
    STAGE_17,
    STAGE_35,
    STEM,
    Branch,
    Stage,
)


def _unit(torch: str, flax: str) -> Iterator[Row]:
    yield Row(f"{torch}.conv", f"{flax}/conv", CONV)
    yield Row(f"{torch}.bn", f"{flax}/bn", BATCH_NORM)


def _branches(torch: str, flax: str, branches: tuple[Branch, ...]) -> Iterator[Row]:
    for number, branch in enumerate(branches):
        for index in range(len(branch)):
            dot, line = (f".{index}", f"_{index}") if len(branch) > 1 else ("", "")
            yield from _unit(f"{torch}.branch{number}{dot}", f"{flax}/branch{number}{line}")


def _residual(torch: str, flax: str, branches: tuple[Branch, ...]) -> Iterator[Row]:
    yield from _branches(torch, flax, branches)
    yield Row(f"{torch}.conv2d", f"{flax}/conv2d", CONV)


def _repeat(stage: Stage) -> Iterator[Row]:
    for index in range(stage.blocks):
        yield from _residual(f"{stage.name}.{index}", f"{stage.name}_{index}", stage.branches)


def trunk_rows() -> Iterator[Row]:
    """Yields the rows of the layers before the embedding."""
    for name, _ in STEM:
        yield from _unit(name, name)
    yield from _repeat(STAGE_35)
    yield from _branches("mixed_6a", "mixed_6a", REDUCTION_A)
    yield from _repeat(STAGE_17)
    yield from _branches("mixed_7a", "mixed_7a", REDUCTION_B)
    yield from _repeat(STAGE_8)
    yield from _residual("block8", "block8", BLOCK_8)


def _rows() -> Iterator[Row]:
    yield from trunk_rows()
    yield Row("last_linear", "last_linear", LINEAR)
    yield Row("last_bn", "last_bn", BATCH_NORM)
    yield Row("logits", "logits", LINEAR)


_REPEATED = [
    (f"{stage.name}.{index}", f"{stage.name}_{index}")
    for stage in (STAGE_35, STAGE_17, STAGE_8)
    for index in range(stage.blocks)
]

NETWORKS = {
    "facenet": Network(
        rows=tuple(_rows()),
        head="logits",
        image_size=80,
        counterpart="ferjax.interop.torch_models.facenet:FaceNet",
        blocks=(*_REPEATED, *((name, name) for name in ("mixed_6a", "mixed_7a", "block8"))),
    ),
}
