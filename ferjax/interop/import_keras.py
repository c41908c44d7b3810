"""Turns a file of Keras or TensorFlow.js into a folder that predict, evaluate, explain and export take."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ferjax.errors import UserError
from ferjax.interop import imported_folder
from ferjax.interop.keras_hdf5 import SIGNATURE, read_hdf5
from ferjax.interop.keras_networks import Arrays, Recognised, recognise
from ferjax.interop.layer_graph import DoesNotFitError, Graph
from ferjax.interop.tfjs_files import read_tfjs

VERB = "import-keras"


class ImportedKeras(NamedTuple):
    """What was written, the network, and its classes."""

    written: imported_folder.Imported
    network: Recognised
    classes: tuple[str, ...]


def import_keras(file: Path, out: Path, classes: Sequence[str] = ()) -> ImportedKeras:
    """Recognises the network in the file and writes the folder, whole or not at all.

    Args:
        file: HDF5 that Keras 2 saved, or the JSON file of TensorFlow.js; its content decides.
        out: absent or empty.
        classes: of the outputs, in their order; empty: those of the published weights.

    Raises:
        UserError: the file is missing, damaged or of another network, the classes do not fit, or the folder
            cannot be written.
    """
    imported_folder.check_out(out, VERB)
    if classes:
        imported_folder.check_names(classes)
    try:
        network = recognise(_read(file))
    except DoesNotFitError as error:
        raise UserError(
            f"{file} is no network that {VERB} knows, which are mini_xception, big_xception and "
            f"face_expression_net ({error})"
        ) from error
    if not classes and network.num_classes != len(network.classes):
        raise UserError(
            f"{file} has {network.num_classes} outputs, and the published network "
            f"{len(network.classes)}: name them in their order with --classes"
        )
    names = tuple(classes or network.classes)
    imported_folder.check_outputs(names, network.num_classes, file)
    written = imported_folder.write(
        *(out, file, network.name, network.variables),
        options={},
        image_size=network.image_size,
        classes=names,
        grey=network.grey,
    )
    return ImportedKeras(written, network, names)


def _read(file: Path) -> Graph | Arrays:
    """Reads a file by what it begins with.

    Raises:
        UserError: there is none, or it is of another kind; the line says what to name instead.
    """
    if not file.is_file():
        what = "is a folder" if file.is_dir() else "is not a file" if file.exists() else "does not exist"
        raise UserError(f"{file} {what}; name the .hdf5 of Keras or the .json of TensorFlow.js")
    try:
        with file.open("rb") as opened:
            head = opened.read(64)
        if head.startswith(SIGNATURE):
            return read_hdf5(file)
        if head.lstrip()[:1] in (b"{", b"["):
            return read_tfjs(file)
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror or error}") from error
    if head[4:8] == b"TFL3":
        raise UserError(
            f"{file} is a TFLite network, whose weights are rounded; name the .hdf5 it was made of"
        )
    if head.startswith(b"PK"):
        raise UserError(
            f"{file} is an archive, as Keras 3 writes it; save the network as HDF5: model.save('network.h5')"
        )
    raise UserError(
        f"{file} is neither HDF5 nor JSON; name the .hdf5 of Keras, or the .json of TensorFlow.js that lies "
        "beside its .bin"
    )
