"""Every benchmark has XLA compute as ferjax's commands do."""

from ferjax.platform import xla_flags

xla_flags.keep_convolutions()
