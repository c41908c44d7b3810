"""A bundle: a trained network in one folder or .zip, which predictions read without the run's folder.

It holds `weights.safetensors`, the run's `config.json`, `network.json` (classes and calibration), the model
card, and `manifest.json` with the format's version and the size and SHA-256 of each of them. Nothing in it is
executed or unpickled. The hashes find damage and careless changes; against someone who writes the manifest
anew they do nothing: for that, compare the manifest's own hash with what `python -m ferjax export` printed.
"""

import contextlib
import hashlib
import json
import math
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from flax.traverse_util import flatten_dict, unflatten_dict

import ferjax
from ferjax.errors import UserError
from ferjax.files import to_json
from ferjax.inference.trained import Trained, trained_on_grey
from ferjax.runs.stored_config import completed
from ferjax.training import setup

FORMAT, VERSION = "ferjax bundle", 1
MANIFEST, WEIGHTS, CONFIG, NETWORK, CARD = (
    "manifest.json", "weights.safetensors", "config.json", "network.json", "MODEL_CARD.md",
)  # fmt: skip
# All that a bundle may name: a path out of it is none of these.
_FILES = (WEIGHTS, CONFIG, NETWORK, CARD)
_LARGEST_MANIFEST, _LARGEST_FILE = 2**20, 2**33  # bytes: what a .zip unpacks to is never more
_COLLECTIONS = ("params", "batch_stats")
# Of the machine that trained; nobody else has these folders.
_PRIVATE = ("data.dir", "init.from")
_DATE = (1980, 1, 1, 0, 0, 0)  # the same content gives the same .zip

_Open = Callable[[str], BinaryIO]


def is_bundle(path: Path) -> bool:
    """Whether this looks like one: a folder with a manifest, or a .zip."""
    return (path / MANIFEST).is_file() if path.is_dir() else path.is_file() and zipfile.is_zipfile(path)


def write(network: Trained, card: str, path: Path) -> str:
    """Writes a bundle.

    Args:
        network: what is kept; paths of this machine are left out of its config.
        card: Markdown, see `ferjax.deploy.model_card`.
        path: does not exist; a `.zip` by its suffix, else a folder.

    Returns:
        The SHA-256 of its manifest, and through that of the whole bundle.
    """
    config = network.config.copy_and_resolve_references()
    config.update_from_flattened_dict(dict.fromkeys(_PRIVATE, ""))
    about = {
        "label_names": network.label_names,
        "temperature": network.temperature,
        "grey": network.grey,
    }
    weights = flatten_dict({key: network.variables[key] for key in _COLLECTIONS}, sep="/")
    files = {
        WEIGHTS: safetensors.numpy.save({key: np.ascontiguousarray(value) for key, value in weights.items()}),
        CONFIG: to_json(config.to_dict()),
        NETWORK: to_json(about),
        CARD: card.encode(),
    }
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "ferjax": ferjax.__version__,
        "files": {
            name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in files.items()
        },
    }
    files[MANIFEST] = to_json(manifest)  # last: without it, a folder that was cut short is no bundle
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "x") as archive:
            for name, content in files.items():
                archive.writestr(zipfile.ZipInfo(name, _DATE), content)
    else:
        path.mkdir()
        for name, content in files.items():
            (path / name).write_bytes(content)
    return hashlib.sha256(files[MANIFEST]).hexdigest()


def read(path: Path | str) -> Trained:
    """Reads a bundle.

    Args:
        path: its folder or .zip. Other files in it are not looked at, and links are not followed.

    Raises:
        UserError: it is no bundle, of a newer format, incomplete, or not what was written.
    """
    path = Path(path).expanduser()
    with _opened(path) as open_file:
        manifest = _manifest(path, open_file)
        contents = {name: _content(path, open_file, name, manifest["files"][name]) for name in _FILES}
    config = completed(_parsed(path, CONFIG, contents[CONFIG]), path / CONFIG)
    names, temperature, grey = _about(path, contents[NETWORK])
    model = setup.build_model(config, len(names))
    size = config.data.image_size
    shapes = jax.eval_shape(
        partial(model.init, train=False), jax.random.key(0), jnp.zeros((1, *setup.image_shape(config)))
    )
    return Trained(
        model=model,
        variables=_variables(path, contents[WEIGHTS], shapes),
        config=config,
        label_names=names,
        image_size=size,
        temperature=temperature,
        grey=trained_on_grey(grey, config.data.name),
    )


def read_card(path: Path) -> str:
    """The model card of a bundle, in Markdown.

    Raises:
        UserError: as `read`.
    """
    with _opened(path) as open_file:
        manifest = _manifest(path, open_file)
        return _content(path, open_file, CARD, manifest["files"][CARD]).decode(errors="replace")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[_Open]:
    """What opens a file of a bundle by its name."""
    if path.is_dir():
        yield partial(_open_in_folder, path)
        return
    if not path.exists():
        raise UserError(f"{path} does not exist; name a run's workdir or a bundle")
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive.open
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise UserError(
            f"{path} cannot be read as a .zip ({error}): it is no bundle, or damaged; fetch it again"
        ) from error


def _open_in_folder(folder: Path, name: str) -> BinaryIO:
    place = folder / name
    if place.is_symlink():
        raise UserError(f"{place} is a link, and links out of a bundle are not followed; fetch it again")
    return place.open("rb")


def _bytes(path: Path, open_file: _Open, name: str, limit: int) -> bytes:
    """A whole file; of a larger one than `limit` only one byte more."""
    try:
        with open_file(name) as file:
            return file.read(limit + 1)
    except (FileNotFoundError, KeyError):
        what = "is no bundle: it has no" if name == MANIFEST else "lacks its"
        raise UserError(f"{path} {what} {name}; python -m ferjax export writes one") from None
    except OSError as error:
        raise UserError(f"{path / name} cannot be read: {error.strerror or error}") from error


def _parsed(path: Path, name: str, content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path / name} is not valid JSON; fetch the bundle again") from error


def _manifest(path: Path, open_file: _Open) -> dict[str, Any]:
    content = _bytes(path, open_file, MANIFEST, _LARGEST_MANIFEST)
    found = _parsed(path, MANIFEST, content) if len(content) <= _LARGEST_MANIFEST else None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise UserError(f"{path} is no bundle, as its {MANIFEST} shows; python -m ferjax export writes one")
    version = found.get("version")
    if type(version) is int and version > VERSION:
        raise UserError(
            f"{path} is a bundle of format {version}, and ferjax {ferjax.__version__} reads formats up to "
            f"{VERSION}: upgrade ferjax"
        )
    files = found.get("files")
    sound = type(version) is int and version > 0 and isinstance(files, dict)
    if not (sound and all(map(_is_entry, files.values()))):
        raise UserError(f"{path / MANIFEST} is damaged; fetch the bundle again")
    if unknown := sorted(files.keys() - set(_FILES)):
        raise UserError(f"{path / MANIFEST} names {unknown[0]!r}, no file of a bundle; do not trust it")
    if missing := [name for name in _FILES if name not in files]:
        raise UserError(f"{path / MANIFEST} does not name {', '.join(missing)}; fetch the bundle again")
    return found


def _is_entry(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("sha256"), str)
        and type(entry.get("bytes")) is int
        and 0 <= entry["bytes"] <= _LARGEST_FILE
    )


def _content(path: Path, open_file: _Open, name: str, entry: Mapping[str, Any]) -> bytes:
    content = _bytes(path, open_file, name, entry["bytes"])
    if len(content) != entry["bytes"] or hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise UserError(f"{path / name} was changed (its SHA-256 is another); fetch the bundle again")
    return content


def _about(path: Path, content: bytes) -> tuple[tuple[str, ...], float | None, object]:
    """Returns the classes, the temperature, and whether faces are shown grey (None before 0.2)."""
    found = _parsed(path, NETWORK, content)
    found = found if isinstance(found, dict) else {}
    names, temperature = found.get("label_names"), found.get("temperature")
    named = isinstance(names, list) and len(names) > 1 and all(isinstance(name, str) for name in names)
    calibrated = type(temperature) is float and 0 < temperature < math.inf
    if not named or not (temperature is None or calibrated):
        raise UserError(f"{path / NETWORK} does not tell classes and temperature; fetch the bundle again")
    return tuple(names), temperature, found.get("grey")


def _variables(path: Path, content: bytes, shapes: Mapping[str, Any]) -> dict[str, Any]:
    """The weights, which must be those of the network that the config names."""
    try:
        arrays = safetensors.numpy.load(content)
    except (safetensors.SafetensorError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path / WEIGHTS} is no .safetensors ({error}); fetch the bundle again") from error
    wanted = flatten_dict({key: shapes[key] for key in _COLLECTIONS if key in shapes}, sep="/")
    found = {key: (array.shape, array.dtype) for key, array in arrays.items()}
    if found != {key: (leaf.shape, leaf.dtype) for key, leaf in wanted.items()}:
        raise UserError(f"{path / WEIGHTS} is not of the network in {CONFIG}; fetch the bundle again")
    return {**{key: {} for key in _COLLECTIONS}, **unflatten_dict(arrays, sep="/")}
