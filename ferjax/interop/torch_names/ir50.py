"""IR-50's names in PyTorch: those of POSTER++'s trunk, and of other files of the same network."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ferjax.interop.name_tables import BATCH_NORM, CONV, LINEAR, PRELU, Fitted, Network, Row, idle_arrays
from ferjax.models.ir50 import IR50, STAGES

_MOST_UNITS = [max(units) for units in zip(*STAGES.values(), strict=True)]
_EMBEDDING = 512  # of the face recognition that the trunk was trained for


def trunk_rows() -> Iterator[Row]:
    """Yields the rows of all convolutions; the deepest trunk's units of the network's depth and beyond."""
    yield Row("input_layer.0", "input_conv", CONV)
    yield Row("input_layer.1", "input_bn", BATCH_NORM)
    yield Row("input_layer.2", "input_prelu", PRELU)
    for stage, most in enumerate(_MOST_UNITS, start=1):
        for unit in range(most):
            torch, flax = f"body{stage}.{unit}", f"body{stage}_{unit}"
            more = unit >= STAGES[IR50.depth][stage - 1]
            if stage > 1 and unit == 0:
                yield Row(f"{torch}.shortcut_layer.0", f"{flax}/shortcut_conv", CONV)
                yield Row(f"{torch}.shortcut_layer.1", f"{flax}/shortcut_bn", BATCH_NORM)
            yield Row(f"{torch}.res_layer.0", f"{flax}/bn1", BATCH_NORM, more)
            yield Row(f"{torch}.res_layer.1", f"{flax}/conv1", CONV, more)
            yield Row(f"{torch}.res_layer.2", f"{flax}/prelu", PRELU, more)
            yield Row(f"{torch}.res_layer.3", f"{flax}/conv2", CONV, more)
            yield Row(f"{torch}.res_layer.4", f"{flax}/bn2", BATCH_NORM, more)


def idle_layers(prefix: str = "") -> dict[str, np.ndarray]:
    """Makes the embedding of face recognition, which the trunk without its last stage cannot call."""
    name = f"{prefix}output_layer"
    return idle_arrays(
        (f"{name}.0", "norm", (512,)),
        (f"{name}.3", "biased", (_EMBEDDING, 512 * 7 * 7)),
        (f"{name}.4", "norm", (_EMBEDDING,)),
    )


def _one_body(entries: Mapping[str, Any]) -> Fitted | None:
    """Reads files that number the units of all stages together, as `body.7`."""
    if not any(name.startswith("body.") for name in entries):
        return None
    starts = np.cumsum([0, *STAGES[IR50.depth]])

    def renamed(name: str) -> str:
        found = re.match(r"body\.(\d{1,3})\.", name)
        if not found:
            return name
        stage = int(np.searchsorted(starts, int(found[1]), side="right"))
        return f"body{stage}.{int(found[1]) - starts[stage - 1]}.{name[found.end() :]}"

    return Fitted({renamed(name): value for name, value in entries.items()}, ())


NETWORKS = {
    "ir50": Network(
        rows=(*trunk_rows(), Row("fc", "fc", LINEAR)),
        head="fc",
        image_size=112,
        counterpart="ferjax.interop.torch_models.ir50:IR50",
        blocks=tuple((f"body{stage}.0", f"body{stage}_0") for stage in (1, 2, 3)),
        dialects=(_one_body,),
        unused=r"body4\.",
        idle=lambda _: idle_layers(),
    ),
}
