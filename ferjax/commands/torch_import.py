"""`python -m ferjax torch-import FILE --model=NAME --out=DIR`: takes over a network of PyTorch.

FILE is what torch.save writes or a .safetensors, whatever its name; its code is never run. DIR becomes a
folder for init.from. A classifier with another number of classes than --num_classes is left out, and a line
says so; every other difference is an error, and nothing is written.

--classes=happy,surprise,… names the outputs in their order, and --image_size the pixels of the images it was
trained on: then predict, evaluate, explain and export take DIR as their --workdir. --affect says that two
more outputs are valence and arousal, as in HSEmotion's va_mtl networks.
"""

from pathlib import Path

from absl import flags

from ferjax.commands import framework
from ferjax.errors import UserError
from ferjax.files import user_path
from ferjax.interop.import_file import Wanted, import_file, options_of
from ferjax.interop.torch_networks import network
from ferjax.registry import verb
from ferjax.scores.affect import DIMENSIONS

_MODEL = flags.DEFINE_string("model", None, "The network's name.", required=True)
_OUT = framework.path_flag("out", None, "The folder to write.", required=True)
_NUM_CLASSES = flags.DEFINE_integer(
    "num_classes", None, "How many classes the network has; the file's number if not given.", 1, 2**16
)
_HEAD = flags.DEFINE_enum(
    "head", "fit", ["fit", "new"], "fit: the file's classifier, if it fits; new: none, whatever the file has."
)
_OPTIONS = flags.DEFINE_string("options", "", "The network's options: key=value, separated by commas.")
_CLASSES = flags.DEFINE_list(
    "classes", [], "The classes in the order of the outputs, separated by commas; empty: not known."
)
_IMAGE_SIZE = flags.DEFINE_integer(
    "image_size", None, "Pixels, both sides, of the images that it takes.", lower_bound=1, upper_bound=4096
)
_AFFECT = flags.DEFINE_bool(
    "affect", False, "With --classes: the classifier's last two outputs are valence and arousal."
)
_GREY = flags.DEFINE_bool("grey", False, "With --classes: it was trained on images without colour.")


@verb("PyTorch", "take over PyTorch's weights: to train from, or with --classes to use as they are")
def main(argv: list[str]) -> None:
    """Imports the file named by the one argument."""
    if len(argv) != 2:
        raise UserError("torch-import takes one file of weights")
    name, file, out = _MODEL.value, user_path(argv[1]), Path(_OUT.value)
    table = network(name)
    wanted = Wanted(
        name=name,
        options=options_of(_OPTIONS.value),
        classes=tuple(_CLASSES.value),
        num_classes=_NUM_CLASSES.value,
        head=_HEAD.value,
        image_size=_IMAGE_SIZE.value,
        grey=_GREY.value,
        affect=_AFFECT.value,
    )
    written = import_file(file, out, wanted)
    print(f"{name}: {written.numbers:,} numbers in {written.arrays} arrays from {file}")
    if not written.with_classifier:
        print(f"the classifier {table.head} is left out: it will be initialised anew")
    if wanted.classes:
        outputs = [*wanted.classes, *(DIMENSIONS if wanted.affect else ())]
        print(f"{wanted.image_size}×{wanted.image_size} pixels to {', '.join(outputs)}")
        print(f"written to {out}; use it with --workdir={out}, or train on with --config.init.from={out}")
    else:
        print(f"written to {out}; train on with --config.init.from={out}")
