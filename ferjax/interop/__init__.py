"""ferjax beside PyTorch: the same numbers, and weights both ways."""

from typing import TYPE_CHECKING

from ferjax.platform.lazy_modules import lazy_modules

if TYPE_CHECKING:
    from ferjax.interop import torch_weights

__all__ = ["torch_weights"]

__getattr__, __dir__ = lazy_modules(__name__, {"torch_weights": "ferjax.interop.torch_weights"})
