"""Reads ONNX Runtime Web, which computes networks in browsers, from its package on npm.

Three of the package's files are used: the smallest build, which computes on the CPU by WebAssembly. Nothing
of the package is unpacked to a disk, and nothing in it is run here.
"""

import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ferjax.errors import UserError
from ferjax.files import inside, user_path

PACKAGE = "onnxruntime-web"
VERSION = "1.30.0"  # that the page is tested with, and that npm is asked for
_SHA256 = "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71"  # of its archive
_SCRIPT, _LOADER, _BINARY = (
    "dist/ort.wasm.min.js",
    "dist/ort-wasm-simd-threaded.mjs",
    "dist/ort-wasm-simd-threaded.wasm",
)
_MOST_BYTES = 2**26  # of a file; the largest has 14 MB
_LONGEST = 300  # seconds that npm may take


class Runtime(NamedTuple):
    """ONNX Runtime Web.

    Attributes:
        version: as the package says.
        script: its interface, for a `<script>`.
        loader: a module that starts the binary.
        binary: WebAssembly.
    """

    version: str
    script: bytes
    loader: bytes
    binary: bytes

    @property
    def sha256(self) -> str:
        """The SHA-256 of the binary."""
        return hashlib.sha256(self.binary).hexdigest()


def read(source: str | None) -> Runtime:
    """Reads the package.

    Args:
        source: the package's folder (`node_modules/onnxruntime-web`), or its archive as `npm pack
            onnxruntime-web` writes it; None: npm downloads the archive of `VERSION`.

    Raises:
        UserError: it is no such package, or it cannot be had.
    """
    if source is None:
        return _from_npm()
    path = user_path(source)
    if path.is_dir():
        return _runtime(path, lambda name: _from_folder(path, name))
    return _from_archive(path)


def _from_npm() -> Runtime:
    how = f"download {PACKAGE} yourself (npm pack {PACKAGE}) and name it: --onnxruntime_web=FILE.tgz"
    npm = shutil.which("npm")
    if npm is None:
        raise UserError(f"the page needs {PACKAGE}, and there is no npm here to download it: {how}")
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--pack-destination", folder, "--ignore-scripts"]
        try:
            subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=_LONGEST)
        except (subprocess.SubprocessError, OSError) as error:
            raise UserError(f"npm could not download {PACKAGE} {VERSION}: {how}") from error
        path = Path(folder) / f"{PACKAGE}-{VERSION}.tgz"
        if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != _SHA256:
            raise UserError(f"what npm downloaded is not {PACKAGE} {VERSION} as it is known: {how}")
        return _from_archive(path)


def _from_archive(path: Path) -> Runtime:
    try:
        with tarfile.open(path) as archive:
            return _runtime(path, lambda name: _member(archive, f"package/{name}"))
    except (OSError, tarfile.TarError, EOFError) as error:
        reason = getattr(error, "strerror", None) or "it is no archive, or damaged"
        raise UserError(f"{path} cannot be read as the package {PACKAGE}: {reason}") from error


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    try:
        member = archive.getmember(name)
    except KeyError:
        raise FileNotFoundError(name) from None
    file = archive.extractfile(member) if member.isreg() and member.size <= _MOST_BYTES else None
    if file is None:
        raise FileNotFoundError(name)
    return file.read()


def _from_folder(folder: Path, name: str) -> bytes:
    path = inside(folder, folder / name)
    if not path.is_file() or path.stat().st_size > _MOST_BYTES:
        raise FileNotFoundError(name)
    return path.read_bytes()


def _runtime(path: Path, content: Callable[[str], bytes]) -> Runtime:
    try:
        facts = json.loads(content("package.json"))
        name, version = facts["name"], facts["version"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        name = version = None
    if name != PACKAGE or not isinstance(version, str):
        raise UserError(
            f"{path} is not the package {PACKAGE}: name its folder, or its archive (npm pack {PACKAGE})"
        )
    try:
        runtime = Runtime(version, *map(content, (_SCRIPT, _LOADER, _BINARY)))
    except FileNotFoundError as error:
        raise UserError(
            f"{path}, {PACKAGE} {version}, has no {error.args[0]}; the page is tested with version {VERSION}"
        ) from error
    if not runtime.binary.startswith(b"\0asm"):
        raise UserError(f"{path}: {_BINARY} is no WebAssembly; download {PACKAGE} again")
    return runtime
