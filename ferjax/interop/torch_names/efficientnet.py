"""EfficientNets' names in PyTorch: timm's, which HSEmotion's networks have too."""

from collections.abc import Iterator

from ferjax.interop.name_tables import BATCH_NORM, CONV, LINEAR, POINTWISE, Network, Row
from ferjax.models.efficientnet import EfficientNet, EfficientNetB2, blocks


def _dotted(name: str) -> str:
    """Turns `blocks_1_0` into timm's `blocks.1.0`."""
    return name.replace("_", ".")


def _rows(width: float, depth: float) -> Iterator[Row]:
    yield Row("conv_stem", "conv_stem", CONV)
    yield Row("bn1", "bn1", BATCH_NORM)
    for flax, stage, _ in blocks(width, depth):
        torch = _dotted(flax)
        order = ("conv_pw", "conv_dw", "conv_pwl") if stage.expand > 1 else ("conv_dw", "conv_pw")
        for number, layer in enumerate(order, start=1):
            yield Row(f"{torch}.{layer}", f"{flax}/{layer}", CONV)
            yield Row(f"{torch}.bn{number}", f"{flax}/bn{number}", BATCH_NORM)
            if layer == "conv_dw":
                yield Row(f"{torch}.se.conv_reduce", f"{flax}/se/fc1", POINTWISE)
                yield Row(f"{torch}.se.conv_expand", f"{flax}/se/fc2", POINTWISE)
    yield Row("conv_head", "conv_head", CONV)
    yield Row("bn2", "bn2", BATCH_NORM)
    yield Row("classifier", "classifier", LINEAR)


def _network(name: str, module: type[EfficientNet]) -> Network:
    return Network(
        rows=tuple(_rows(module.width, module.depth)),
        head="classifier",
        image_size=64,
        counterpart=f"ferjax.interop.torch_models.efficientnet:{name}",
        blocks=tuple((_dotted(flax), flax) for flax, *_ in blocks(module.width, module.depth)),
    )


NETWORKS = {
    "efficientnet_b0": _network("efficientnet_b0", EfficientNet),
    "efficientnet_b2": _network("efficientnet_b2", EfficientNetB2),
}
