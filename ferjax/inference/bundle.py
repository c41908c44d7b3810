"""A bundle: a trained network in one folder or .zip, which predictions read without the run's folder.

It holds `weights.safetensors`, the run's `config.json`, `network.json` (classes, calibration, what it was
trained on), the model card, and `manifest.json` with the format's version and the size and SHA-256 of each of
them. Nothing in it is executed or unpickled, and code that its config names is not imported unless the user
trusts it, see `ferjax.inference.trusted_code`. The hashes find damage and careless changes. They do not stop
somebody who also rewrites the manifest: to find that, compare the manifest's own hash with what
`python -m ferjax export` printed.
"""

import hashlib
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import numpy as np
import safetensors
import safetensors.numpy
from flax.traverse_util import flatten_dict, unflatten_dict
from ml_collections import ConfigDict

import ferjax
from ferjax.config import PATH_FIELDS
from ferjax.errors import UserError
from ferjax.files import to_json, user_path
from ferjax.inference import layer_statistics
from ferjax.inference.bundle_files import (
    CARD,
    CONFIG,
    DAMAGED,
    FILES,
    FLOAT32_VERSION,
    FORMAT,
    MANIFEST,
    NETWORK,
    VERSION,
    WEIGHTS,
    again,
    content_of,
    manifest_of,
    opened,
    parsed,
)  # fmt: skip
from ferjax.inference.needed_memory import check_one_picture, shapes_and_bytes
from ferjax.inference.trained import Trained, trained_on_grey
from ferjax.inference.trusted_code import check_trusted
from ferjax.platform.console import one_line
from ferjax.runs.finite import check_finite
from ferjax.runs.stored_config import completed
from ferjax.scores import conformal, unlike, unsure
from ferjax.scores.calibration import is_temperature
from ferjax.training import affect
from ferjax.training import network as networks
from ferjax.training.trained_on import is_record

_HEADER, _HEADER_OF_ARRAY = 2**16, 2**10  # bytes of the weights' file beside the arrays
_COLLECTIONS = ("params", "batch_stats")
_DATE = (1980, 1, 1, 0, 0, 0)  # the same content gives the same .zip

Shapes = Mapping[str, tuple[tuple[int, ...], np.dtype]]
_SHOWN = 120  # letters of a reason that a library gives


def is_bundle(path: Path) -> bool:
    """Tells a folder or a .zip with a manifest from anything else; does not check its content."""
    if path.is_dir():
        return (path / MANIFEST).is_file()
    if not path.is_file() or not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return MANIFEST in archive.namelist()
    except DAMAGED:
        return False


def write(network: Trained, card: str, path: Path, half: bool = False) -> str:
    """Writes a bundle.

    Args:
        network: the network; paths of this machine are left out of its config.
        card: Markdown, see `ferjax.deploy.model_card`.
        path: the file to write if it ends in `.zip`, else the folder; must not exist.
        half: parameters are stored as float16, in half the bytes; `read` widens them. See `halved`.

    Returns:
        The SHA-256 of its manifest, which in turn holds the hash of every other file.
    """
    config = network.config.copy_and_resolve_references()
    config.update_from_flattened_dict(dict.fromkeys(PATH_FIELDS, ""))
    facts = {
        "label_names": network.label_names,
        "temperature": network.temperature,
        "grey": network.grey,
        "unsure": network.unsure and network.unsure._asdict(),
        "sets": network.sets and network.sets._asdict(),
        **({"unlike": network.unlike.to_json()} if network.unlike else {}),
        "trained_on": [_without_paths(one) for one in network.trained_on],
    }
    weights: dict[str, Any] = flatten_dict({key: network.variables[key] for key in _COLLECTIONS}, sep="/")
    if half:
        weights = {
            key: _half(value) if key.startswith("params/") else value for key, value in weights.items()
        }
    files = {
        WEIGHTS: safetensors.numpy.save({key: np.ascontiguousarray(value) for key, value in weights.items()}),
        CONFIG: to_json(config.to_dict()),
        NETWORK: to_json(facts),
        CARD: card.encode(),
    }
    manifest = {
        "format": FORMAT,
        "version": VERSION if half else FLOAT32_VERSION,
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


def halved(network: Trained) -> Trained:
    """Returns the network as `read` gives it after `write(…, half=True)`: parameters rounded to float16."""
    rounded = jax.tree.map(lambda leaf: _half(leaf).astype(leaf.dtype), network.variables["params"])
    return network._replace(variables={**network.variables, "params": rounded})


def _half(array: np.ndarray) -> np.ndarray:
    return np.asarray(array).astype(np.float16)


def _without_paths(trained_on: Mapping[str, Any]) -> dict[str, Any]:
    return {**trained_on, "data": {**trained_on["data"], "dir": ""}}


def read(path: Path | str) -> Trained:
    """Reads a bundle.

    Args:
        path: its folder or .zip. Other files in it are ignored, and links are not followed.

    Raises:
        UserError: the path is not a bundle, has a newer format, lacks a file, was changed after it was
            written, names code that is not trusted, or asks for a network that is too large for this machine.

    Example:
        >>> import jax
        >>> from ferjax.inference import bundle
        >>> network = bundle.read("handed/bundle")
        >>> network.label_names
        ('angry', 'disgust', 'fear', 'happy', 'sad', 'surprise', 'neutral')
        >>> images = jax.numpy.zeros((1, network.image_size, network.image_size, 3))  # normalised
        >>> jax.jit(network.model.apply)(network.variables, images).shape
        (1, 7)
    """
    path = user_path(path)
    with opened(path) as open_file:
        files = manifest_of(path, open_file)["files"]
        texts = {name: content_of(path, open_file, name, files[name]) for name in FILES if name != WEIGHTS}
        stored = parsed(path, CONFIG, texts[CONFIG])
        check_trusted(stored, path)  # first: completing a config looks its names up
        config = completed(stored, path / CONFIG)
        facts = _facts(path, texts[NETWORK])
        names = tuple(facts["label_names"])
        model, needed = _network(path, config, len(names))
        if files[WEIGHTS]["bytes"] > _most_bytes(needed):
            raise UserError(_other_weights(path))
        weights = content_of(path, open_file, WEIGHTS, files[WEIGHTS])
    network = Trained(
        model=model,
        variables=_variables(path, weights, needed),
        config=config,
        label_names=names,
        image_size=config.data.image_size,
        temperature=facts["temperature"],
        grey=trained_on_grey(facts.get("grey"), config.data.name),
        unsure=unsure.parsed(facts.get("unsure")),
        sets=conformal.parsed(facts.get("sets")),
        unlike=unlike.parsed(facts.get("unlike")),
        trained_on=tuple(facts.get("trained_on") or ()),
    )
    if network.unlike:
        layer, features = network.unlike.layer, len(network.unlike.mean)
        if layer_statistics.count(network, layer) != features:
            raise UserError(
                f"{path / NETWORK} describes {features:,} features of a layer that the network lacks; "
                f"{again(path)}"
            )
    return network


def read_card(path: Path) -> str:
    """Reads the model card of a bundle, in Markdown.

    Raises:
        UserError: the path is not a bundle, or is damaged.
    """
    with opened(path) as open_file:
        manifest = manifest_of(path, open_file)
        return content_of(path, open_file, CARD, manifest["files"][CARD]).decode(errors="replace")


def _facts(path: Path, content: bytes) -> dict[str, Any]:
    """Reads the classes and the temperature, and what earlier versions did not write; all of its kind."""
    facts = parsed(path, NETWORK, content)
    if isinstance(facts, dict):
        names, temperature = facts.get("label_names"), facts.get("temperature")
        usual = temperature is None or is_temperature(temperature)
        later = facts.get("unsure") is None or unsure.parsed(facts["unsure"]) is not None
        later &= facts.get("sets") is None or conformal.parsed(facts["sets"]) is not None
        later &= facts.get("unlike") is None or unlike.parsed(facts["unlike"]) is not None
        seen = facts.get("trained_on") is None or is_record(facts["trained_on"])
        if usual and later and seen and isinstance(names, list) and _are_names(names):
            return {**facts, "temperature": temperature}
    raise UserError(f"{path / NETWORK} does not hold classes and temperature; {again(path)}")


def _are_names(names: list[Any]) -> bool:
    """Checks that a list holds the names of at least two classes, each once, which a terminal can show."""
    texts = all(isinstance(name, str) and name.isprintable() and name.strip() for name in names)
    return texts and 1 < len(names) == len(set(names))


def _network(path: Path, config: ConfigDict, classes: int) -> tuple[nn.Module, Shapes]:
    """Builds the network that the config names; nothing is computed.

    Returns:
        The network, and the path of every array with its shape and type.

    Raises:
        UserError: there is no such network, or it is too large for this machine.
    """
    try:
        model = networks.create_model(config, classes)
        shapes, picture = shapes_and_bytes(model, networks.image_shape(config))
        head = affect.head_of(config, model, networks.image_shape(config))
    except UserError as error:
        raise UserError(f"{path / CONFIG}: {error}") from error
    except Exception as error:  # layers fail in many ways on sizes that nobody has
        reason = one_line(error)[:_SHOWN] or type(error).__name__
        raise UserError(f"{path / CONFIG} asks for a network that cannot be built ({reason})") from error
    shapes = affect.with_head(shapes, head)
    leaves: Any = flatten_dict({key: shapes[key] for key in _COLLECTIONS if key in shapes}, sep="/")
    needed = {key: (leaf.shape, leaf.dtype) for key, leaf in leaves.items()}
    side = max(config.data.source_size, config.data.image_size)
    check_one_picture(picture, _weight_bytes(needed), side, path / CONFIG)
    return model, needed


def _weight_bytes(needed: Shapes) -> int:
    return sum(math.prod(shape) * dtype.itemsize for shape, dtype in needed.values())


def _most_bytes(needed: Shapes) -> int:
    """Returns how large the file of a network's weights can be."""
    return _weight_bytes(needed) + _HEADER + _HEADER_OF_ARRAY * len(needed)


def _other_weights(path: Path) -> str:
    return (
        f"{path / WEIGHTS} does not fit the network in {CONFIG}: its arrays or shapes differ; {again(path)}"
    )


def _variables(path: Path, content: bytes, needed: Shapes) -> dict[str, Any]:
    """Reads the weights and compares their shapes with those of the network that the config names."""
    try:
        arrays = safetensors.numpy.load(content)
    except (safetensors.SafetensorError, KeyError, TypeError, AttributeError, ValueError) as error:
        reason = one_line(error)[:_SHOWN]
        raise UserError(f"{path / WEIGHTS} is no .safetensors ({reason}); {again(path)}") from error
    halves = {key for key, array in arrays.items() if array.dtype == np.float16}
    arrays = {key: array.astype(np.float32) if key in halves else array for key, array in arrays.items()}
    if {key: (array.shape, array.dtype) for key, array in arrays.items()} != needed:
        raise UserError(_other_weights(path))
    check_finite(arrays, path / WEIGHTS)
    return {**{key: {} for key in _COLLECTIONS}, **unflatten_dict(arrays, sep="/")}
