"""`python -m ferjax VERB …`: the verbs and the module of the room that owns each."""

import importlib
import sys

from ferjax.commands import framework
from ferjax.errors import BAD_INPUT
from ferjax.platform import process

VERBS = {
    "train": ("ferjax.main", "train a network, resume it, and test it once at the end"),
    "evaluate": ("ferjax.commands.evaluate", "score a run's best weights on any data set"),
    "prepare": ("ferjax.commands.prepare", "build a data set from the files you downloaded"),
    "audit": ("ferjax.commands.audit", "look for copies, leaks and wrong labels in a data set"),
    "augment-sheet": ("ferjax.commands.augment_sheet", "draw what a config's augmentation does"),
    "lr-find": ("ferjax.commands.lr_find", "try rising learning rates and suggest one"),
    "repeat": ("ferjax.commands.repeat", "train with several seeds: mean and 95 % intervals"),
    "compare": ("ferjax.commands.compare", "tell whether one run or recipe beats another"),
    "ablate": ("ferjax.commands.ablate", "train ResEmoteNet without one part or another"),
    "crossdb": ("ferjax.commands.crossdb", "train on each of several sets, test on all"),
    "report": ("ferjax.commands.report", "write the pages of runs, and one that compares them"),
    "explain": ("ferjax.commands.explain", "show what a trained network looks at, image by image"),
    "export": ("ferjax.commands.export", "hand a network out: StableHLO, ONNX, a bundle, a model card"),
    "demo": ("ferjax.commands.demo", "a local page to try a network with pictures or the camera"),
    "predict": ("ferjax.commands.predict", "tell the emotion of faces in pictures and videos"),
    "torch-import": ("ferjax.commands.torch_import", "turn a file of PyTorch weights into ones to train on"),
    "torch-export": ("ferjax.commands.torch_export", "write a run's weights as a PyTorch state dict"),
    "torch-compare": ("ferjax.commands.torch_compare", "the same numbers as PyTorch, or where they part"),
    "aot": ("ferjax.commands.aot", "memory, work and exchanges of a step on chips you have not"),
}


def usage() -> str:
    """The table of verbs as text."""
    rows = "\n".join(f"  {verb:13s} {what}" for verb, (_, what) in VERBS.items())
    return f"usage: python -m ferjax VERB [flags]\n\n{rows}\n\nVERB --help lists the verb's flags."


def main() -> None:
    """Runs the verb of the command line."""
    process.prepare()
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help", "help"):
        print(usage())
        sys.exit(0 if len(sys.argv) > 1 else BAD_INPUT)
    verb = sys.argv[1]
    if verb not in VERBS:
        framework.fail(f"unknown verb {verb!r}; the verbs are {', '.join(VERBS)}")
    module = importlib.import_module(VERBS[verb][0])
    framework.run(module.main, [f"ferjax {verb}", *sys.argv[2:]])


if __name__ == "__main__":
    main()
