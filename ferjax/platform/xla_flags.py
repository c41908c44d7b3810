"""Chooses the CPU library of XLA's convolutions; must happen before the first computation."""

import os
from collections.abc import MutableMapping
from importlib import metadata

FLAG = "--xla_cpu_experimental_ynn_fusion_type"
# XLA aborts the process on a flag that it does not know, so only where this one was tried.
TRIED = ("0.10.2", "0.11.2", "0.12.0.1")


def keep_convolutions(environ: MutableMapping[str, str] = os.environ) -> None:
    """Keeps convolutions with Eigen, where XLA would use YNNPACK; matrix products and sums still use it.

    On two cores YNNPACK takes up to nine times as long for a gradient by the kernel (112×112, 64 to 128
    channels) and up to three times forwards, and nothing that takes long is faster with it
    (docs/benchmarks.md). A choice in XLA_FLAGS is left as it is.

    Args:
        environ: the process's variables; XLA reads them when the first device is asked for.
    """
    flags = environ.get("XLA_FLAGS", "")
    if metadata.version("jaxlib") in TRIED and FLAG not in flags:
        kept = "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE"
        environ["XLA_FLAGS"] = f"{flags} {FLAG}={kept}".strip()
