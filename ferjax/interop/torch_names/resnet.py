"""Residual networks' names in PyTorch: torchvision's, and `layerN.M.se.fc.0` for squeeze-and-excitation."""

from collections.abc import Iterator

from ferjax.interop.name_tables import BATCH_NORM, CONV, LINEAR, Network, Row
from ferjax.models.resnet import STAGES


def _blocks(depth: int) -> Iterator[tuple[str, str]]:
    for stage, blocks in enumerate(STAGES[depth], start=1):
        for block in range(blocks):
            yield f"layer{stage}.{block}", f"layer{stage}_{block}"


def _rows(depth: int, squeeze: bool) -> Iterator[Row]:
    yield Row("conv1", "conv1", CONV)
    yield Row("bn1", "bn1", BATCH_NORM)
    for torch, flax in _blocks(depth):
        for layer in (1, 2, 3) if depth >= 50 else (1, 2):
            yield Row(f"{torch}.conv{layer}", f"{flax}/conv{layer}", CONV)
            yield Row(f"{torch}.bn{layer}", f"{flax}/bn{layer}", BATCH_NORM)
        if torch.endswith(".0") and (depth >= 50 or torch != "layer1.0"):
            yield Row(f"{torch}.downsample.0", f"{flax}/shortcut_conv", CONV)
            yield Row(f"{torch}.downsample.1", f"{flax}/shortcut_bn", BATCH_NORM)
        if squeeze:
            yield Row(f"{torch}.se.fc.0", f"{flax}/se/fc1", LINEAR)
            yield Row(f"{torch}.se.fc.2", f"{flax}/se/fc2", LINEAR)
    yield Row("fc", "fc", LINEAR)


def _network(depth: int, squeeze: bool) -> Network:
    blocks = list(_blocks(depth))
    if squeeze:
        blocks += [(f"{torch}.se", f"{flax}/se") for torch, flax in blocks]
    package = "torch_models.se_resnet:se_resnet" if squeeze else "torchvision:resnet"
    return Network(
        tuple(_rows(depth, squeeze)),
        head="fc",
        image_size=64,
        counterpart=f"ferjax.interop.{package}{depth}",
        blocks=tuple(blocks),
    )


NETWORKS = {
    **{f"resnet{depth}": _network(depth, squeeze=False) for depth in STAGES},
    **{f"se_resnet{depth}": _network(depth, squeeze=True) for depth in STAGES},
}
