"""The process and the machine: memory, XLA flags, the compilation cache, devices."""

from typing import TYPE_CHECKING

from ferjax.platform.lazy_modules import lazy_modules

if TYPE_CHECKING:
    from ferjax.platform import process

__all__ = ["process"]

__getattr__, __dir__ = lazy_modules(__name__, {"process": "ferjax.platform.process"})
