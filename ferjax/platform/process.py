"""What a process of ferjax does before anything else."""

from ferjax.platform import allocator, xla_flags


def prepare() -> None:
    """Keeps freed memory and chooses XLA's kernels; call it before threads and devices are there."""
    allocator.keep_memory()
    xla_flags.keep_convolutions()
