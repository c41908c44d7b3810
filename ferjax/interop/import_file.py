"""Turns a file of PyTorch weights into a folder: to train from, or with classes to be used as it is."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from ferjax.config import split_argument
from ferjax.errors import UserError
from ferjax.interop import imported_folder
from ferjax.interop.torch_files import read_facts, read_state_dict
from ferjax.interop.torch_networks import network
from ferjax.interop.torch_weights import import_state_dict
from ferjax.training.affect import head_of, parted
from ferjax.training.network import create_model, image_shape


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
        affect: the classifier's last two outputs are valence and arousal.
    """

    name: str
    options: Mapping[str, Any]
    classes: Sequence[str] = ()
    num_classes: int | None = None
    head: str = "fit"
    image_size: int | None = None
    grey: bool = False
    affect: bool = False


def import_file(file: Path, out: Path, wanted: Wanted) -> imported_folder.Imported:
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
    imported_folder.check_out(out, "torch-import", "torch-export writes files")
    config = imported_folder.config_of(wanted.name, wanted.image_size, wanted.options, wanted.affect)
    _check_classes(wanted)
    # Before the file is read: not every network can have one.
    affect_head = head_of(config, create_model(config, len(wanted.classes) or 7), image_shape(config))
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
    if wanted.classes:
        imported_folder.check_outputs(wanted.classes, classifier["kernel"].shape[-1], file, wanted.affect)
        if affect_head:
            variables = parted(variables, affect_head)
    with np.errstate(over="ignore"):  # float64 that is too large for float32, which is refused
        variables = jax.tree.map(lambda array: np.asarray(array, np.float32), variables)
    return imported_folder.write(
        *(out, file, wanted.name, variables),
        options=wanted.options,
        image_size=image_size,
        classes=wanted.classes,
        grey=wanted.grey,
        affect=wanted.affect,
        with_classifier=classifier is not None,
    )


def options_of(text: str) -> dict[str, Any]:
    """Reads a network's options as a flag has them: `key=value`, separated by commas.

    Raises:
        UserError: a part is not key=value.
    """
    first, options = split_argument(text, default="")
    if first:
        raise UserError(f"--options={text[:80]}: {first[:80]!r} is not key=value")
    return options


def _check_classes(wanted: Wanted) -> None:
    """Checks the names of the classes, and the flags that go with them."""
    if not wanted.classes:
        for flag in ("grey", "affect"):
            if getattr(wanted, flag):
                raise UserError(
                    f"--{flag} changes nothing without --classes, which make a folder to predict with"
                )
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
    imported_folder.check_names(wanted.classes)


def _image_size(file: Path) -> int | None:
    """Reads the image size that `torch-export` keeps in a .safetensors."""
    text = read_facts(file).get("image_size", "")
    return int(text) if text.isdecimal() and len(text) <= 4 and int(text) > 0 else None
