"""ResEmoteNet's names in PyTorch: those of the published weight files (Roy et al., 2024)."""

from collections.abc import Iterator

from ferjax.interop.name_tables import BATCH_NORM, CONV, LINEAR, Network, Row

_BLOCKS = ("res_block1", "res_block2", "res_block3")


def _rows() -> Iterator[Row]:
    for stage in (1, 2, 3):
        yield Row(f"conv{stage}", f"conv{stage}", CONV)
        yield Row(f"bn{stage}", f"bn{stage}", BATCH_NORM)
    yield Row("se.fc.0", "se/fc1", LINEAR)
    yield Row("se.fc.2", "se/fc2", LINEAR)
    for block in _BLOCKS:
        for layer in (1, 2):
            yield Row(f"{block}.conv{layer}", f"{block}/conv{layer}", CONV)
            yield Row(f"{block}.bn{layer}", f"{block}/bn{layer}", BATCH_NORM)
        yield Row(f"{block}.shortcut.0", f"{block}/shortcut_conv", CONV)
        yield Row(f"{block}.shortcut.1", f"{block}/shortcut_bn", BATCH_NORM)
    for layer in (1, 2, 3, 4):
        yield Row(f"fc{layer}", f"fc{layer}", LINEAR)


NETWORKS = {
    "resemotenet": Network(
        rows=tuple(_rows()),
        head="fc4",
        image_size=64,
        counterpart="ferjax.interop.torch_models.resemotenet:ResEmoteNet",
        blocks=tuple((name, name) for name in ("se", *_BLOCKS)),
    ),
}
