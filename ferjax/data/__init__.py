"""Data: labels, builders, sources and the input pipeline. Nothing here but `augment` imports jax."""

from ferjax.data.loading import load

__all__ = ["load"]
