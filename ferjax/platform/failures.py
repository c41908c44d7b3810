"""Describes failures of a machine that libraries raise in many forms: no such device, too little memory."""

import os
import sys


def describe_failure(error: Exception) -> str | None:
    """Returns one line for an exception that the machine caused, None for any other.

    Args:
        error: what was raised.
    """
    return _out_of_memory(error) or _missing_device()


def _out_of_memory(error: Exception) -> str | None:
    text = " ".join(str(error).split())
    # jaxlib's own exceptions have several names, and JAX need not be imported here.
    if not isinstance(error, MemoryError) and not text.startswith("RESOURCE_EXHAUSTED"):
        return None
    text = text.removeprefix("RESOURCE_EXHAUSTED: ")[:120].rstrip(". ") or "no more memory"
    return (
        f"this machine or device has too little memory ({text}): lower train.batch_size, eval.batch_size or "
        "data.image_size, or give it less at once"
    )


def _missing_device() -> str | None:
    """Describes why JAX can use no device, where that is so."""
    jax = sys.modules.get("jax")
    if jax is None:
        return None
    try:
        jax.devices()
    except Exception as error:  # JAX raises RuntimeError, AssertionError and what plug-ins raise
        wanted = os.environ.get("JAX_PLATFORMS") or jax.config.jax_platforms
        reason = " ".join(str(error).partition(" (set JAX_PLATFORMS")[0].split())
        reason = f" ({reason[:160].rstrip('. ')})" if reason else ", or its plug-in is not installed"
        return (
            f"JAX_PLATFORMS={str(wanted)[:60]}: JAX finds no such device here{reason}; unset it, or set "
            "JAX_PLATFORMS=cpu"
        )
    return None
