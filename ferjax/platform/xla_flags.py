"""Chooses how XLA compiles for CPUs; must happen before the first computation."""

import os
from collections.abc import MutableMapping
from importlib import metadata
from typing import NamedTuple


class Choice(NamedTuple):
    """A flag of XLA that ferjax sets.

    Attributes:
        flag: its name.
        value: what it is set to.
        tried: versions of jaxlib that know it: XLA aborts the process on a flag that it does not know.
    """

    flag: str
    value: str
    tried: tuple[str, ...]


# Convolutions stay with Eigen, where XLA would use YNNPACK; products and sums still use it. On two cores
# YNNPACK takes up to nine times as long for a gradient by the kernel (112×112, 64 to 128 channels) and up to
# three times forwards, and nothing that takes long is faster with it.
CONVOLUTIONS = Choice(
    "--xla_cpu_experimental_ynn_fusion_type",
    "LIBRARY_FUSION_TYPE_INDIVIDUAL_DOT,LIBRARY_FUSION_TYPE_REDUCE",
    ("0.10.2", "0.11.2", "0.12.0.1"),
)
# Fusions become LLVM's language by XLA's older way, in a third of the time; the programs are not slower.
FUSIONS = Choice("--xla_cpu_use_fusion_emitters", "false", ("0.10.2",))
CHOICES = (CONVOLUTIONS, FUSIONS)


def set_flags(environ: MutableMapping[str, str] = os.environ) -> None:
    """Sets the flags of `CHOICES` that this version knows (docs/benchmarks.md has what each gives).

    A choice in XLA_FLAGS is left as it is.

    Args:
        environ: the process's variables; XLA reads them when the first device is asked for.
    """
    for flag, value, tried in CHOICES:
        flags = environ.get("XLA_FLAGS", "")
        if metadata.version("jaxlib") in tried and flag not in flags:
            environ["XLA_FLAGS"] = f"{flags} {flag}={value}".strip()
