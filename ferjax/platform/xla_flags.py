"""Which of its CPU libraries XLA computes with, chosen before its first computation."""

import os
from collections.abc import MutableMapping
from importlib import metadata

FLAG = "--xla_cpu_experimental_ynn_fusion_type"
# XLA ends a process that gives it a flag which it does not know: only where this one was tried.
TRIED = ("0.10.2", "0.11.2", "0.12.0.1")


def keep_convolutions(environ: MutableMapping[str, str] = os.environ) -> None:
    """Convolutions stay with Eigen; XLA would hand them to YNNPACK. Products and sums still go there.

    On two cores YNNPACK takes up to nine times as long for a gradient by the kernel (112×112, 64 to 128
    channels) and up to three times forwards, and is ahead in nothing that takes long (docs/benchmarks.md). A
    choice that XLA_FLAGS already makes stands.

    Args:
        environ: the process's variables; XLA reads them when the first device is asked for.
    """
    flags = environ.get("XLA_FLAGS", "")
    if metadata.version("jaxlib") in TRIED and FLAG not in flags:
        kept = "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE"
        environ["XLA_FLAGS"] = f"{flags} {FLAG}={kept}".strip()
