"""`python -m ferjax torch-import FILE --model=NAME --out=DIR`: PyTorch's weights for training on.

FILE is a .safetensors, or a .pth or .pt, whose code is never run. DIR becomes a folder for init.from.
A classifier with another number of classes than --num_classes is left out, and a line says so; every other
difference is an error, and nothing is written.
"""

from pathlib import Path

import jax
import numpy as np
from absl import flags

from ferjax.commands import framework
from ferjax.config import split_argument
from ferjax.errors import UserError
from ferjax.interop.torch_files import read_state_dict
from ferjax.interop.torch_networks import network
from ferjax.interop.torch_weights import import_state_dict
from ferjax.registry import verb
from ferjax.runs import weights

_MODEL = flags.DEFINE_string("model", None, "The network's name.", required=True)
_OUT = framework.path_flag("out", None, "The folder to write.", required=True)
_NUM_CLASSES = flags.DEFINE_integer(
    "num_classes", None, "How many classes the network has; the file's number if not given.", 1, 2**16
)
_HEAD = flags.DEFINE_enum(
    "head", "fit", ["fit", "new"], "fit: the file's classifier, if it fits; new: none, whatever the file has."
)
_OPTIONS = flags.DEFINE_string("options", "", "The network's options: key=value, separated by commas.")


@verb("PyTorch", "turn a file of PyTorch weights into ones to train from")
def main(argv: list[str]) -> None:
    """Imports the file named by the one argument."""
    if len(argv) != 2:
        raise UserError("torch-import takes one file of weights")
    name, out = _MODEL.value, Path(_OUT.value)
    table = network(name)
    weights.check_new(out)
    _, options = split_argument(_OPTIONS.value, default="")
    variables = import_state_dict(
        name,
        read_state_dict(argv[1]),
        num_classes=_NUM_CLASSES.value,
        head=_HEAD.value,
        **options,
    )
    variables = jax.tree.map(lambda array: np.asarray(array, np.float32), variables)
    weights.save(out, name, variables, {"options": options, "source": Path(argv[1]).name})

    leaves = jax.tree.leaves(variables)
    print(f"{name}: {sum(leaf.size for leaf in leaves):,} numbers in {len(leaves)} arrays from {argv[1]}")
    head = next(row.flax for row in table.rows if row.torch == table.head)
    if head not in variables["params"]:
        print(f"the classifier {table.head} is left out: it will be initialised anew")
    print(f"written to {out}; train on with --config.init.from={out}")
