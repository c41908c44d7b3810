"""Turns a file of PyTorch weights into a folder: to train from, or with classes to be used as it is."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from ferjax.config import defaults, model_options, split_argument, validate
from ferjax.data.label_spaces import meaning
from ferjax.errors import UserError, listed
from ferjax.inference.trained import IMPORTED
from ferjax.interop.torch_files import FILES, read_facts, read_state_dict
from ferjax.interop.torch_networks import network
from ferjax.interop.torch_weights import import_state_dict
from ferjax.runs import weights
from ferjax.runs.finite import check_finite
from ferjax.training.paths import by_path

_LONGEST_CLASS = 100  # letters


class Wanted(NamedTuple):
    """What the file is.

    Attributes:
        name: the network's.
        options: the network's.
        classes: of the classifier's outputs, in their order; empty: unknown, and the network cannot be used
            before it was trained on.
        num_classes: how many the network has; None: as many as the file's classifier.
        head: `fit` or `new`, see `import_state_dict`.
        image_size: pixels, both sides; None: unknown.
        grey: it was trained on images without colour.
    """

    name: str
    options: Mapping[str, Any]
    classes: Sequence[str] = ()
    num_classes: int | None = None
    head: str = "fit"
    image_size: int | None = None
    grey: bool = False


class Imported(NamedTuple):
    """What was written: how many numbers in how many arrays, and whether with the classifier."""

    numbers: int
    arrays: int
    with_classifier: bool


def import_file(file: Path, out: Path, wanted: Wanted) -> Imported:
    """Reads the file and writes the folder, whole or not at all.

    With classes the folder has a `config.json`, and predict, explain, evaluate and export take it as they
    take a run's; `init.from` takes either.

    Args:
        file: see `ferjax.interop.torch_files.read_state_dict`.
        out: absent or empty.
        wanted: what the file is.

    Raises:
        UserError: the file does not fit, the classes do not, or the folder cannot be written.
    """
    table = network(wanted.name)
    check_out(out)
    config = _config(wanted)
    _check_classes(wanted)
    state_dict = read_state_dict(file)
    image_size = wanted.image_size or _image_size(file)
    variables = import_state_dict(
        wanted.name,
        state_dict,
        num_classes=None if wanted.classes else wanted.num_classes,
        head="strict" if wanted.classes else wanted.head,
        image_size=image_size,
        **wanted.options,
    )
    head = next(row.flax for row in table.rows if row.torch == table.head)
    classifier = variables["params"].get(head)
    if wanted.classes and len(wanted.classes) != classifier["kernel"].shape[-1]:
        raise UserError(
            f"the classifier in {file} has {classifier['kernel'].shape[-1]} outputs, and --classes names "
            f"{len(wanted.classes)} ({listed(wanted.classes, 4)}): name one for each output, in their order"
        )
    with np.errstate(over="ignore"):  # float64 that is too large for float32, which is refused
        variables = jax.tree.map(lambda array: np.asarray(array, np.float32), variables)
    arrays = by_path(variables)
    check_finite(arrays, file)
    facts: dict[str, Any] = {"options": dict(wanted.options), "source": file.name}
    if image_size:
        facts["image_size"] = image_size
    if wanted.classes:
        facts |= {"label_names": list(wanted.classes), "grey": wanted.grey}
    weights.save(out, wanted.name, variables, facts, config.to_dict() if wanted.classes else None)
    return Imported(sum(array.size for array in arrays.values()), len(arrays), classifier is not None)


def options_of(text: str) -> dict[str, Any]:
    """Reads a network's options as a flag has them: `key=value`, separated by commas.

    Raises:
        UserError: a part is not key=value.
    """
    first, options = split_argument(text, default="")
    if first:
        raise UserError(f"--options={text[:80]}: {first[:80]!r} is not key=value")
    return options


def check_out(out: Path) -> None:
    """Refuses a folder that others would take for a file, see also `ferjax.runs.weights.check_new`."""
    if out.suffix.lower() in (*FILES, ".zip", ".onnx", ".h5", ".tar"):
        raise UserError(
            f"--out={out} is a file's name, and torch-import writes a folder; name it without {out.suffix} "
            "(torch-export writes files)"
        )
    weights.check_new(out)


def _config(wanted: Wanted) -> ConfigDict:
    """Builds the config of the folder, which also checks the network's options and the image size."""
    config = defaults()
    config.model.update({"name": wanted.name, **wanted.options})
    config.data.update({"name": IMPORTED, "image_size": wanted.image_size or config.data.image_size})
    model_options(config)
    validate(config)
    return config


def _check_classes(wanted: Wanted) -> None:
    """Checks the names of the classes, and the flags that go with them."""
    if not wanted.classes:
        if wanted.grey:
            raise UserError("--grey changes nothing without --classes, which make a folder to predict with")
        return
    if wanted.head == "new":
        raise UserError(
            "--head=new leaves out the classifier whose outputs --classes names: drop one of them"
        )
    if wanted.num_classes not in (None, len(wanted.classes)):
        raise UserError(f"--num_classes={wanted.num_classes}, and --classes names {len(wanted.classes)}")
    if not wanted.image_size:
        raise UserError(
            "--classes needs --image_size: the height and width in pixels of the images that the network was "
            "trained on"
        )
    if len(wanted.classes) < 2:
        raise UserError("--classes names one class; name at least two, in the order of the network's outputs")
    seen: dict[str, str] = {}
    for name in wanted.classes:
        if not name.strip() or not name.isprintable() or name != name.strip() or len(name) > _LONGEST_CLASS:
            raise UserError(f"--classes: {name[:40]!r} cannot be a class's name; separate names by commas")
        earlier = seen.setdefault(meaning(name), name)
        if earlier is not name:
            raise UserError(f"--classes: {earlier!r} and {name!r} are one class; name every output once")


def _image_size(file: Path) -> int | None:
    """Reads the image size that `torch-export` keeps in a .safetensors."""
    text = read_facts(file).get("image_size", "")
    return int(text) if text.isdecimal() and 0 < int(text) <= 4096 else None
