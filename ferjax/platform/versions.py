"""The versions of Python, ferjax and the libraries that results may depend on."""

import importlib.metadata
import platform

import ferjax

PACKAGES = (
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "orbax-checkpoint",
    "grain",
    "tensorflow-datasets",
    "numpy",
)


def library_versions() -> dict[str, str | None]:
    """Returns name → version; None for a library that is not installed."""
    versions: dict[str, str | None] = {"python": platform.python_version(), "ferjax": ferjax.__version__}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    return versions
