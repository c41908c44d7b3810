"""Modules that are imported when they are first asked for, as attributes of their package (PEP 562)."""

import importlib
import sys
from collections.abc import Callable, Mapping
from types import ModuleType


def lazy_modules(
    package: str, modules: Mapping[str, str]
) -> tuple[Callable[[str], ModuleType], Callable[[], list[str]]]:
    """Returns a package's `__getattr__` and `__dir__`, which know some modules before they are imported.

    Args:
        package: the package's `__name__`.
        modules: attribute → full name of the module.
    """

    def __getattr__(name: str) -> ModuleType:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return importlib.import_module(modules[name])

    def __dir__() -> list[str]:
        return sorted({*vars(sys.modules[package]), *modules})

    return __getattr__, __dir__
