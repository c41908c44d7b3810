"""The attentional CNN's names in PyTorch: those of a public version, see `ferjax.models.attentional_cnn`."""

from collections.abc import Iterator

from ferjax.interop.name_tables import BATCH_NORM, CONV, LINEAR, Network, Row, numbered
from ferjax.interop.torch_names.sdl import transformer_rows


def _rows() -> Iterator[Row]:
    yield from transformer_rows("", "transformer", 2)
    yield from numbered("conv", CONV, 4)
    yield Row("norm", "norm", BATCH_NORM)
    yield from numbered("fc", LINEAR, 2)


NETWORKS = {
    "attentional_cnn": Network(
        rows=tuple(_rows()),
        head="fc2",
        image_size=48,
        counterpart="ferjax.interop.torch_models.attentional_cnn:AttentionalCNN",
    ),
}
