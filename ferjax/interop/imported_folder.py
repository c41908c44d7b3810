"""Writes the folder of a network that another program made, which predict and others take as a run's."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from ferjax.config import defaults, model_options, validate
from ferjax.data.label_spaces import meaning
from ferjax.errors import UserError, listed
from ferjax.inference.trained import IMPORTED
from ferjax.interop.torch_files import FILES
from ferjax.runs import weights
from ferjax.runs.finite import check_finite
from ferjax.training.affect import OUTPUTS
from ferjax.training.paths import by_path

_LONGEST_CLASS = 100  # letters
_OTHER_FILES = (".zip", ".onnx", ".h5", ".hdf5", ".keras", ".json", ".tflite", ".tar")


class Imported(NamedTuple):
    """What was written: how many numbers in how many arrays, and whether with the classifier."""

    numbers: int
    arrays: int
    with_classifier: bool


def check_out(out: Path, verb: str, advice: str = "") -> None:
    """Refuses a folder that others would take for a file, see also `ferjax.runs.weights.check_new`.

    Args:
        out: the folder.
        verb: the command that writes it.
        advice: stands in brackets behind the message.
    """
    if out.suffix.lower() in (*FILES, *_OTHER_FILES):
        raise UserError(
            f"--out={out} is a file's name, and {verb} writes a folder; name it without {out.suffix}"
            + (f" ({advice})" if advice else "")
        )
    weights.check_new(out)


def check_names(classes: Sequence[str]) -> None:
    """Refuses classes that cannot be told apart, and fewer than two.

    Raises:
        UserError: it says which.
    """
    if len(classes) < 2:
        raise UserError("--classes names one class; name at least two, in the order of the network's outputs")
    seen: dict[str, str] = {}
    for name in classes:
        if not name.strip() or not name.isprintable() or name != name.strip() or len(name) > _LONGEST_CLASS:
            raise UserError(f"--classes: {name[:40]!r} cannot be a class's name; separate names by commas")
        earlier = seen.setdefault(meaning(name), name)
        if earlier is not name:
            raise UserError(f"--classes: {earlier!r} and {name!r} are one class; name every output once")


def check_outputs(classes: Sequence[str], outputs: int, file: Path, affect: bool = False) -> None:
    """Refuses classes that are not as many as the outputs of the network in a file.

    Args:
        classes: their names.
        outputs: of the classifier.
        file: for the message.
        affect: two more outputs are valence and arousal.
    """
    if len(classes) == outputs - OUTPUTS * affect:
        return
    advice = "name one for each output, in their order"
    if affect:
        advice = f"with --affect name the first {outputs - OUTPUTS}, in their order"
    elif len(classes) == outputs - OUTPUTS:
        advice += ", or add --affect if the last two are valence and arousal"
    raise UserError(
        f"the classifier in {file} has {outputs} outputs, and --classes names "
        f"{len(classes)} ({listed(classes, 4)}): {advice}"
    )


def config_of(
    name: str, image_size: int | None, options: Mapping[str, Any], affect: bool = False
) -> ConfigDict:
    """Builds the config of the folder, which also checks the network's options and the image size."""
    config = defaults()
    config.model.update({"name": name, **options})
    config.data.update({"name": IMPORTED, "image_size": image_size or config.data.image_size})
    config.affect.head = "beside" if affect else "none"
    model_options(config)
    validate(config)
    return config


def write(
    out: Path,
    file: Path,
    name: str,
    variables: Mapping[str, Any],
    *,
    options: Mapping[str, Any],
    image_size: int | None,
    classes: Sequence[str],
    grey: bool,
    affect: bool = False,
    with_classifier: bool = True,
) -> Imported:
    """Writes the folder, whole or not at all.

    Args:
        out: absent or empty.
        file: where the weights come from.
        name: the network's.
        variables: `{"params", "batch_stats"}`, float32.
        options: the network's.
        image_size: pixels, both sides; None: unknown.
        classes: of the outputs, in their order; empty: unknown, and the folder has no `config.json`.
        grey: it takes images without colour.
        affect: it has a head for valence and arousal.
        with_classifier: it is whole.

    Raises:
        UserError: a number is NaN or infinite, or the folder cannot be written.
    """
    arrays = by_path(variables)
    check_finite(arrays, file)
    facts: dict[str, Any] = {"options": dict(options), "source": file.name}
    if image_size:
        facts["image_size"] = image_size
    if classes:
        facts |= {"label_names": list(classes), "grey": grey}
    config = config_of(name, image_size, options, affect).to_dict() if classes else None
    weights.save(out, name, variables, facts, config)
    return Imported(sum(array.size for array in arrays.values()), len(arrays), with_classifier)
