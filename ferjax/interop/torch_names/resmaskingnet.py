"""The residual masking network's names in PyTorch: the authors', who hold each shortcut under two names."""

from collections.abc import Iterator

from ferjax.interop.name_tables import BATCH_NORM, CONV, CONV_TRANSPOSE, LINEAR, Network, Row
from ferjax.interop.torch_names.resnet import NETWORKS as RESNETS
from ferjax.models.resmaskingnet import DEPTHS

_TRUNK = RESNETS["resnet34"]


def _mask_blocks() -> Iterator[tuple[int, int, bool]]:
    """Yields the number of each mask, of each of its blocks, and whether an `up_pool` stands before it."""
    for mask, depth in enumerate(DEPTHS, start=1):
        for block in range(1, 2 * depth + 1):
            yield mask, block, depth < block < 2 * depth


def _rows() -> Iterator[Row]:
    yield from (row for row in _TRUNK.rows if row.torch != _TRUNK.head)
    yield Row("fc.1", "fc", LINEAR)
    for mask, block, raised in _mask_blocks():
        if raised:
            yield Row(f"mask{mask}.up_pool{block}.0", f"mask{mask}/up_pool{block}/conv", CONV_TRANSPOSE)
            yield Row(f"mask{mask}.up_pool{block}.1", f"mask{mask}/up_pool{block}/bn", BATCH_NORM)
        torch, flax = f"mask{mask}.conv{block}", f"mask{mask}/conv{block}"
        for layer in (1, 2):
            yield Row(f"{torch}.conv{layer}", f"{flax}/conv{layer}", CONV)
            yield Row(f"{torch}.bn{layer}", f"{flax}/bn{layer}", BATCH_NORM)
        yield Row(f"{torch}.downsample.0", f"{flax}/shortcut_conv", CONV)
        yield Row(f"{torch}.downsample.1", f"{flax}/shortcut_bn", BATCH_NORM)


NETWORKS = {
    "resmaskingnet": Network(
        rows=tuple(_rows()),
        head="fc.1",
        image_size=64,
        counterpart="ferjax.interop.torch_models.resmaskingnet:ResMaskingNet",
        blocks=tuple((f"mask{number}", f"mask{number}") for number in range(1, len(DEPTHS) + 1)),
        aliases=tuple(
            (f"mask{mask}.downsample{block}", f"mask{mask}.conv{block}.downsample")
            for mask, block, _ in _mask_blocks()
        ),
    ),
}
