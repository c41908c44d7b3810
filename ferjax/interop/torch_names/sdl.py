"""SDL's names in PyTorch, and those of its spatial transformers."""

from collections.abc import Iterator

from ferjax.interop.name_tables import CONV, LINEAR, Network, Row, numbered


def transformer_rows(torch: str, flax: str, convolutions: int) -> Iterator[Row]:
    """Yields the rows of a localisation network.

    Args:
        torch: what is put before its names in PyTorch.
        flax: its path in Flax.
        convolutions: how many it has; PyTorch's `localization` counts pools and ReLUs too.
    """
    for layer in range(convolutions):
        yield Row(f"{torch}localization.{3 * layer}", f"{flax}/conv{layer + 1}", CONV)
    yield Row(f"{torch}fc_loc.0", f"{flax}/fc1", LINEAR)
    yield Row(f"{torch}fc_loc.2", f"{flax}/fc2", LINEAR)


def _rows() -> Iterator[Row]:
    yield from numbered("conv", CONV, 4)
    for module in ("sdl1", "sdl2"):
        yield from transformer_rows(f"{module}.transformer.", f"{module}/transformer", 3)
        yield Row(f"{module}.conv", f"{module}/conv", CONV)
    yield from numbered("fc", LINEAR, 2)


NETWORKS = {
    "sdl": Network(
        rows=tuple(_rows()),
        head="fc2",
        image_size=48,
        counterpart="ferjax.interop.torch_models.sdl:SDL",
        blocks=(("sdl1", "sdl1"), ("sdl2", "sdl2")),
    ),
}
