"""Prepares a process of ferjax, before anything else happens in it."""

from ferjax.platform import allocator, xla_flags


def prepare() -> None:
    """Sets the allocator and XLA's flags; call it before threads are started and devices are used."""
    allocator.keep_memory()
    xla_flags.keep_convolutions()
