"""State dicts in files: `.safetensors`, which needs no torch, and `.pth`, read without running code."""

import io
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from ferjax.errors import UserError
from ferjax.files import user_path, write_atomic
from ferjax.platform import outputs

SAFETENSORS = (".safetensors",)
PICKLED = (".pth", ".pt")
VERB = "torch-export"
_KNOWN = ", ".join((*SAFETENSORS, *PICKLED))


def read_state_dict(path: Path | str) -> Any:
    """Reads a file of PyTorch weights.

    A `.pth` or `.pt` is read with `weights_only=True`, so that only arrays and plain containers are read.

    Args:
        path: the file; its suffix says how it is read.

    Returns:
        Names to NumPy arrays, as the file has them, possibly inside a training script's dictionary;
        `ferjax.interop.torch_weights.import_state_dict` takes it.

    Raises:
        UserError: no such file, another suffix, a damaged file, or one that could run code.
    """
    path = user_path(path)
    if path.suffix not in SAFETENSORS + PICKLED:
        raise UserError(f"{path} has no suffix of a file of weights; the known suffixes are {_KNOWN}")
    if not path.is_file():
        raise UserError(f"{path} is not a file" if path.exists() else f"{path} does not exist")
    try:
        return _read_safetensors(path) if path.suffix in SAFETENSORS else _read_pickled(path)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error


def write_state_dict(
    path: Path | str, state_dict: Mapping[str, np.ndarray], facts: Mapping[str, str]
) -> None:
    """Writes a state dict, whole or not at all.

    Args:
        path: its suffix says how: `.safetensors`, or `.pth` and `.pt`, which need torch.
        state_dict: PyTorch names to arrays.
        facts: kept in the header of a `.safetensors`; a `.pth` has no place for them.

    Raises:
        UserError: another suffix, torch is not installed, or the place cannot be written.
    """
    path = Path(path)
    if path.suffix in SAFETENSORS:
        content = safetensors.numpy.save(dict(state_dict), {"format": "pt", **facts})
    elif path.suffix in PICKLED:
        torch, buffer = _torch(path), io.BytesIO()
        torch.save({name: torch.from_numpy(array) for name, array in state_dict.items()}, buffer)
        content = outputs.marked(VERB, path.suffix, buffer.getvalue())
    else:
        raise UserError(f"weights are written to files ending in {_KNOWN}, not to {path}")
    with outputs.told(path):
        write_atomic(path, content)


def _torch(path: Path) -> Any:
    """Imports the package, which only `.pth` needs."""
    try:
        import torch
    except ImportError:
        raise UserError(
            f"{path} needs PyTorch: pip install 'ferjax[torch]', or use a .safetensors, which needs none"
        ) from None
    return torch


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    try:
        return safetensors.numpy.load_file(path)
    except safetensors.SafetensorError as error:
        raise UserError(f"{path} is not a whole .safetensors ({error}); fetch it again") from error
    except (KeyError, TypeError, AttributeError) as error:  # eight-bit formats, which NumPy lacks
        raise UserError(f"{path} holds arrays that NumPy has no type for ({error})") from error


def _read_pickled(path: Path) -> Any:
    torch = _torch(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old formats give some about storages
            content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # a damaged or hostile file trips the reader in many ways
        raise UserError(f"{path} is refused: {_reason(error)}") from error
    return _as_numpy(content, torch)


def _reason(error: Exception) -> str:
    """Says why PyTorch would not read a file, in one line and without its advice to read it unsafely."""
    text = str(error)
    if wanted := re.search(r"GLOBAL ([\w.]+)", text):
        return (
            f"reading it would run code ({wanted[1]}), and only weights are read; save model.state_dict() "
            "where the file comes from, and import that"
        )
    if "TorchScript" in text:
        return "it is a TorchScript program; save model.state_dict() where it comes from, and import that"
    if "Weights only load failed" in text:
        detail = text.rpartition("WeightsUnpickler error:")[2].strip().splitlines()[0]
        return f"it is damaged, or not a state dict that PyTorch has saved ({detail}); fetch it again"
    first = text.strip().splitlines() or [type(error).__name__]
    return f"it is damaged or not a PyTorch file ({first[0]}); fetch it again"


def _as_numpy(value: Any, torch: Any) -> Any:
    """Turns tensors into arrays; bfloat16, which NumPy lacks, becomes float32."""
    if isinstance(value, Mapping):
        return {key: _as_numpy(item, torch) for key, item in value.items()}
    if isinstance(value, torch.Tensor) and value.layout == torch.strided and not value.is_quantized:
        value = value.detach()
        return (value.float() if value.dtype == torch.bfloat16 else value).numpy()
    return value
