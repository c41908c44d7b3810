"""VGG's names in PyTorch: torchvision's."""

from collections.abc import Iterator

from ferjax.interop.name_tables import BATCH_NORM, CONV, LINEAR, Network, Row
from ferjax.models.vgg import STAGES


def _rows(depth: int, norm: bool) -> Iterator[Row]:
    index = 0  # in torchvision's `features`, which counts ReLUs and pools too
    for stage, layers in enumerate(STAGES[depth], start=1):
        for layer in range(1, layers + 1):
            yield Row(f"features.{index}", f"conv{stage}_{layer}", CONV)
            if norm:
                yield Row(f"features.{index + 1}", f"bn{stage}_{layer}", BATCH_NORM)
            index += 3 if norm else 2
        index += 1
    yield Row("classifier.0", "fc1", LINEAR)
    yield Row("classifier.3", "fc2", LINEAR)
    yield Row("classifier.6", "fc3", LINEAR)


NETWORKS = {
    f"vgg{depth}{suffix}": Network(
        tuple(_rows(depth, norm)),
        head="classifier.6",
        image_size=32,
        counterpart=f"ferjax.interop.torchvision:vgg{depth}{suffix}",
    )
    for depth in STAGES
    for suffix, norm in (("", False), ("_bn", True))
}
