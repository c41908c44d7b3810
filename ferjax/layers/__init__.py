"""Layers that several networks share, each a pure function or a small Linen module."""

from typing import TYPE_CHECKING

from ferjax.platform.lazy_modules import lazy_modules

if TYPE_CHECKING:
    from ferjax.layers import spatial_transformer

__all__ = ["spatial_transformer"]

__getattr__, __dir__ = lazy_modules(__name__, {"spatial_transformer": "ferjax.layers.spatial_transformer"})
