"""Data: label spaces, the data sets and their builders, sources and the input pipeline; without jax."""

from ferjax.data.loading import load

__all__ = ["load"]
