"""MobileFaceNet's names in PyTorch: those of the landmark network of POSTER++."""

from collections.abc import Iterator, Mapping

from ferjax.interop.name_tables import BATCH_NORM, CONV, LINEAR, PRELU, Network, Row
from ferjax.models.mobilefacenet import BLOCKS


def block_rows(torch: str, flax: str, rectified: bool = True) -> Iterator[Row]:
    """Yields the rows of a `ConvBlock`."""
    yield Row(f"{torch}.conv", f"{flax}/conv", CONV)
    yield Row(f"{torch}.bn", f"{flax}/bn", BATCH_NORM)
    if rectified:
        yield Row(f"{torch}.prelu", f"{flax}/prelu", PRELU)


def numbered_blocks(counts: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Yields PyTorch's and Flax's names of all blocks of stages that have several, and of those with one."""
    for name, count in counts.items():
        for number in range(count):
            yield (f"{name}.model.{number}", f"{name}_{number}") if count > 1 else (name, name)


def map_rows() -> Iterator[Row]:
    """Yields the rows of all convolutions before the last one."""
    yield from block_rows("conv1", "conv1")
    yield from block_rows("conv2_dw", "conv2_dw")
    for torch, flax in numbered_blocks({name: blocks for name, (*_, blocks) in BLOCKS.items()}):
        yield from block_rows(f"{torch}.conv", f"{flax}/conv")
        yield from block_rows(f"{torch}.conv_dw", f"{flax}/conv_dw")
        yield from block_rows(f"{torch}.project", f"{flax}/project", rectified=False)
    yield from block_rows("conv_6_sep", "conv_6_sep")


def _rows() -> Iterator[Row]:
    yield from map_rows()
    yield from block_rows("output_layer.conv_6_dw", "conv_6_dw", rectified=False)
    yield Row("output_layer.linear", "linear", LINEAR)
    yield Row("output_layer.bn", "bn", BATCH_NORM)


NETWORKS = {
    "mobilefacenet": Network(
        rows=tuple(_rows()),
        head="output_layer.linear",
        image_size=112,
        counterpart="ferjax.interop.torch_models.mobilefacenet:MobileFaceNet",
        with_head=("output_layer.bn",),
    ),
}
