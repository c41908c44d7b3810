"""State dicts in files, told apart by their content: safetensors, and what PyTorch saves. No code is run.

Reading needs no torch. Writing a `.pth` does.
"""

import io
import logging
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import safetensors
import safetensors.numpy

from ferjax.errors import UserError, listed
from ferjax.files import user_path, write_atomic
from ferjax.interop import torch_archives
from ferjax.interop.inert_pickle import Foreign
from ferjax.interop.pickled_tensors import Unread, containers
from ferjax.platform import outputs
from ferjax.platform.console import one_line
from ferjax.runs.file_kinds import describe, read_head

logger = logging.getLogger(__name__)

SAFETENSORS = (".safetensors",)
PICKLED = (".pth", ".pt")
VERB = "torch-export"
FILES = (*SAFETENSORS, *PICKLED, ".bin", ".ckpt", ".pkl", ".t7")  # usual suffixes; content decides
_KNOWN = ", ".join((*SAFETENSORS, *PICKLED))
_LARGEST_HEADER = 10**8  # bytes, the format's own limit
_SHOWN = 160  # letters of a reason that another library gives
# Names in a .safetensors of types that NumPy lacks.
_NARROW = {
    "BF16": ml_dtypes.bfloat16, "F8_E4M3": ml_dtypes.float8_e4m3fn, "F8_E5M2": ml_dtypes.float8_e5m2,
    "F8_E8M0": ml_dtypes.float8_e8m0fnu, "F8_E4M3FNUZ": ml_dtypes.float8_e4m3fnuz,
    "F8_E5M2FNUZ": ml_dtypes.float8_e5m2fnuz,
}  # fmt: skip


def read_state_dict(path: Path | str) -> Any:
    """Reads a file of PyTorch weights, whatever its suffix: a `.safetensors`, or what `torch.save` writes.

    Of a file of PyTorch only tensors, NumPy arrays, plain values and plain containers are read; nothing in it
    is called or imported. Other objects beside the weights, such as settings, are left out with a message.

    Args:
        path: the file.

    Returns:
        Names to NumPy arrays, as the file has them, possibly inside a training script's dictionary;
        `ferjax.interop.torch_weights.import_state_dict` takes it. Types that NumPy lacks become float32.

    Raises:
        UserError: no such file, another kind of file, a damaged one, or one with code and no weights.
    """
    path = user_path(path)
    try:
        if not path.is_file():
            raise UserError(f"{path} is not a file" if path.exists() else f"{path} does not exist")
        head = read_head(path)
        if _is_safetensors(head):
            return _read_safetensors(path)
        if path.suffix.lower() in SAFETENSORS and not head.startswith((b"PK", b"\x80")):
            what = describe(head) or "not a whole .safetensors; fetch it again"
            raise UserError(f"{path} is {what}")
        return _read_pickled(path, head)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error


def read_facts(path: Path | str) -> dict[str, str]:
    """Reads what `write_state_dict` kept in the header of a `.safetensors`; nothing for other files."""
    try:
        if not _is_safetensors(read_head(Path(path))):
            return {}
        with safetensors.safe_open(path, framework="np") as file:
            return dict(file.metadata() or {})
    except (OSError, safetensors.SafetensorError):
        return {}


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
    if path.suffix.lower() in SAFETENSORS:
        content = safetensors.numpy.save(dict(state_dict), {"format": "pt", **facts})
    elif path.suffix.lower() in PICKLED:
        torch, buffer = _torch(path), io.BytesIO()
        torch.save({name: torch.from_numpy(array) for name, array in state_dict.items()}, buffer)
        content = outputs.marked(VERB, path.suffix, buffer.getvalue())
    else:
        raise UserError(f"weights are written to files ending in {_KNOWN}, not to {path}")
    with outputs.describing_errors(path):
        write_atomic(path, content)


def _torch(path: Path) -> Any:
    """Imports the package, which only writing a `.pth` needs."""
    try:
        import torch
    except ImportError:
        raise UserError(
            f"writing {path} needs PyTorch: pip install 'ferjax[torch]', or name a .safetensors"
        ) from None
    return torch


def _is_safetensors(head: bytes) -> bool:
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= _LARGEST_HEADER


def _read_safetensors(path: Path) -> dict[str, Any]:
    try:
        try:
            return safetensors.numpy.load_file(path)
        except (KeyError, TypeError, AttributeError, ValueError):  # types that NumPy lacks
            return {name: _array(**entry) for name, entry in safetensors.deserialize(path.read_bytes())}
    except (
        safetensors.SafetensorError,
        ValueError,
        MemoryError,
    ) as error:  # ValueError: sizes beyond NumPy's
        reason = one_line(error)[:_SHOWN]
        raise UserError(f"{path} is not a whole .safetensors ({reason}); fetch it again") from error


def _array(dtype: str, shape: list[int], data: bytes) -> Any:
    """Makes an array of an entry; one of a type that is unknown here cannot be read."""
    if known := safetensors.numpy._TYPES.get(dtype):
        return np.frombuffer(data, known).reshape(shape)
    if dtype in _NARROW:
        return np.frombuffer(data, _NARROW[dtype]).reshape(shape).astype(np.float32)
    return Unread(f"a tensor of {dtype[:40]}, which NumPy has no type for", shape)


def _read_pickled(path: Path, head: bytes) -> Any:
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            if not head.startswith(b"PK"):
                content = torch_archives.read_pickles(file, size)
            elif torch_archives.is_zip_of_torch(file):
                content = torch_archives.read_zip(file, size)
            else:
                raise UserError(f"{path} is refused: {_other_zip(file)}")
    except (OSError, UserError):
        raise
    except torch_archives.TorchScript:
        raise UserError(f"{path} is refused: it is a TorchScript program. {_SAFE_COPY}") from None
    except Exception as error:  # a damaged or hostile file trips the reader in many ways
        if what := describe(head):
            raise UserError(f"{path} is refused: it is {what}") from error
        reason = f" ({one_line(str(error) or type(error).__name__)[:_SHOWN]})"
        if isinstance(error, KeyError):  # a byte that is no operation of a pickle: its number says nothing
            reason = ""
        raise UserError(
            f"{path} is refused: it is damaged or not a file of weights{reason}; fetch it again"
        ) from error
    _tell_foreign(path, content)
    return content


_SAFE_COPY = (
    "Where it was made, two lines save a copy of the weights alone: import torch; "
    "torch.save(model.state_dict(), 'weights.pth')"
)


def _other_zip(file: Any) -> str:
    """Says what a .zip is that PyTorch has not written."""
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
    if "manifest.json" in names:
        return "it is a bundle of ferjax, which predict, explain and export take as it is"
    if names and all(name.endswith(".npy") for name in names):
        return "it is an .npz of NumPy; save names with arrays as a .safetensors"
    return f"it is a .zip without weights of PyTorch (it holds {listed((n[:40] for n in names), 3)})"


def _tell_foreign(path: Path, content: Any) -> None:
    """Tells of the objects that were not built.

    Raises:
        UserError: there is nothing else.
    """
    holders = list(containers([content]))
    names = dict.fromkeys(item.name[:80] for item in holders if isinstance(item, Foreign))
    if not names:
        return
    values = (value for item in holders for value in (item.values() if isinstance(item, dict) else item))
    if any(isinstance(value, np.ndarray | Unread) for value in values):
        logger.info("%s: objects beside the weights are left out (%s)", path, listed(names, 3))
        return
    raise UserError(
        f"{path} is refused: it holds no weights but objects, and making them would run code "
        f"({listed(names, 1)}). {_SAFE_COPY}"
    )
