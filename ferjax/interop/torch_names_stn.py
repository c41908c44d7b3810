"""The networks with spatial transformers, and the plain CNN: names of their PyTorch counterparts."""

from collections.abc import Iterator

from ferjax.interop.torch_names import BATCH_NORM, CONV, LINEAR, Network, Row


def _plain(kind: str, numbers: range) -> Iterator[Row]:
    rows = {"conv": CONV, "fc": LINEAR}
    return (Row(f"{kind}{number}", f"{kind}{number}", rows[kind]) for number in numbers)


def _transformer(torch: str, flax: str, convolutions: int) -> Iterator[Row]:
    """A localisation network; `localization` also counts its pools and ReLUs."""
    for layer in range(convolutions):
        yield Row(f"{torch}localization.{3 * layer}", f"{flax}/conv{layer + 1}", CONV)
    yield Row(f"{torch}fc_loc.0", f"{flax}/fc1", LINEAR)
    yield Row(f"{torch}fc_loc.2", f"{flax}/fc2", LINEAR)


def _sdl() -> Iterator[Row]:
    yield from _plain("conv", range(1, 5))
    for module in ("sdl1", "sdl2"):
        yield from _transformer(f"{module}.transformer.", f"{module}/transformer", 3)
        yield Row(f"{module}.conv", f"{module}/conv", CONV)
    yield from _plain("fc", range(1, 3))


def _attentional_cnn() -> Iterator[Row]:
    yield from _transformer("", "transformer", 2)
    yield from _plain("conv", range(1, 5))
    yield Row("norm", "norm", BATCH_NORM)
    yield from _plain("fc", range(1, 3))


_MODELS = "ferjax.interop.torch_models"
NETWORKS = {
    "sdl": Network(
        rows=tuple(_sdl()),
        head="fc2",
        image_size=48,
        counterpart=f"{_MODELS}.sdl:SDL",
        blocks=(("sdl1", "sdl1"), ("sdl2", "sdl2")),
    ),
    "attentional_cnn": Network(
        rows=tuple(_attentional_cnn()),
        head="fc2",
        image_size=48,
        counterpart=f"{_MODELS}.attentional_cnn:AttentionalCNN",
    ),
    "fer_cnn": Network(
        rows=(*_plain("conv", range(1, 4)), *_plain("fc", range(1, 3))),
        head="fc2",
        image_size=48,
        counterpart=f"{_MODELS}.fer_cnn:FERCNN",
    ),
}
