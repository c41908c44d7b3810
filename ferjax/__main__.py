"""`python -m ferjax VERB …`: the verbs and the module of the room that owns each."""

import importlib
import sys

from ferjax import cli
from ferjax.platform import process

VERBS = {
    "train": ("ferjax.main", "train a network, resume it, and test it once at the end"),
    "evaluate": ("ferjax.evaluate_command", "score a run's best weights on any data set"),
    "prepare": ("ferjax.data.prepare", "build a data set from the files you downloaded"),
    "audit": ("ferjax.audit.command", "look for copies, leaks and wrong labels in a data set"),
    "augment-sheet": ("ferjax.report.augment_sheet_command", "draw what a config's augmentation does"),
    "lr-find": ("ferjax.lr_find_command", "try rising learning rates and suggest one"),
    "repeat": ("ferjax.experiments.repeat_command", "train with several seeds: mean and 95 % intervals"),
    "compare": ("ferjax.experiments.compare_command", "tell whether one run or recipe beats another"),
    "ablate": ("ferjax.experiments.ablate_command", "train ResEmoteNet without one part or another"),
    "crossdb": ("ferjax.experiments.crossdb_command", "train on each of several sets, test on all"),
    "report": ("ferjax.report.command", "write the pages of runs, and one that compares them"),
    "explain": ("ferjax.explain.command", "show what a trained network looks at, image by image"),
    "export": ("ferjax.deploy.export_command", "hand a network out: StableHLO, ONNX, a bundle, a model card"),
    "demo": ("ferjax.deploy.demo_command", "a local page to try a network with pictures or the camera"),
    "predict": ("ferjax.deploy.predict_command", "tell the emotion of faces in pictures and videos"),
    "torch-import": ("ferjax.interop.torch_import", "turn a file of PyTorch weights into ones to train on"),
    "torch-export": ("ferjax.interop.torch_export", "write a run's weights as a PyTorch state dict"),
    "torch-compare": ("ferjax.interop.torch_compare", "the same numbers as PyTorch, or where they part"),
    "aot": ("ferjax.aot_command", "memory, work and exchanges of a step on chips you have not"),
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
        sys.exit(0 if len(sys.argv) > 1 else cli.BAD_INPUT)
    verb = sys.argv[1]
    if verb not in VERBS:
        cli.fail(f"unknown verb {verb!r}; the verbs are {', '.join(VERBS)}")
    module = importlib.import_module(VERBS[verb][0])
    cli.run(module.main, [f"ferjax {verb}", *sys.argv[2:]])


if __name__ == "__main__":
    main()
