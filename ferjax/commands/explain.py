"""`python -m ferjax explain --workdir=RUN [--images=FILES]`: what a trained network looks at, image by image.

Without --images it takes examples of the run's own set: right and sure ones of every class, and its surest
mistakes. With --images (files, folders, patterns; more may follow as plain arguments) it takes pictures of
faces that are already cropped.

It writes index.html, one page that opens without a network, and heat.npz with the maps as numbers. With
--measure it measures the methods on the embedded set, whose parts of the face are known.
"""

import sys
from pathlib import Path

from absl import flags

from ferjax.errors import UserError
from ferjax.explain import arrays, subjects
from ferjax.explain.explained import PREDICTED, choose_methods, explain
from ferjax.explain.gallery import write_gallery
from ferjax.explain.layers import check_layer
from ferjax.explain.methods import METHODS, check_methods
from ferjax.explain.module_views import PICTURES
from ferjax.inference.classifier import Classifier
from ferjax.inference.open_run import open_network
from ferjax.platform.machine import keep_compiled
from ferjax.registry import verb

_WORKDIR = flags.DEFINE_string("workdir", None, "The run's folder, or a bundle.", required=True)
_IMAGES = flags.DEFINE_multi_string("images", [], "File, folder or pattern; may be given several times.")
_SPLIT = flags.DEFINE_string("split", "test", "Without --images: which split of the run's data set.")
_COUNT = flags.DEFINE_integer("count", 24, "Without --images: how many of it.")
_METHODS = flags.DEFINE_list(
    "methods", [], f"Of {', '.join((*METHODS, *PICTURES))}; all that suit the network if empty."
)
_LAYER = flags.DEFINE_string("layer", "", "The layer that Grad-CAM looks at; the last fine one if empty.")
_CLASS = flags.DEFINE_string("of_class", PREDICTED, "Whose heat: predicted, actual, or a class's name.")
_DATA_DIR = flags.DEFINE_string("data_dir", "", "Folder of the built sets; the run's own if empty.")
_OUT = flags.DEFINE_string("out", "", "Folder to write to; WORKDIR/explanations if empty.")
_MEASURE = flags.DEFINE_bool("measure", False, "Measure the methods on a toons set instead.")
_MEASURE_IMAGES = flags.DEFINE_integer("measure_images", 20, "With --measure: images of each class.")
_MEASURE_SET = flags.DEFINE_string("measure_set", "", "With --measure: a toons set; the run's own if empty.")

SOME_FAILED = 1


@verb("looking closer", "show what a trained network looks at, image by image")
def main(argv: list[str]) -> int:
    """Writes the page and prints its path; 1 if a named file could not be read."""
    keep_compiled()
    named = [*_IMAGES.value, *argv[1:]]
    network = open_network(_WORKDIR.value)
    out = _folder(_OUT.value or Path(_WORKDIR.value, "explanations"))
    if _MEASURE.value:
        return _measure(out, named)
    methods = choose_methods(network, _METHODS.value)
    layer = check_layer(network.model, (network.image_size,) * 2, _LAYER.value)
    classifier = Classifier.of(network)
    if named:
        chosen = subjects.from_files(named, classifier)
    else:
        chosen = subjects.from_split(network, classifier, _SPLIT.value, _COUNT.value, _DATA_DIR.value)
    found = explain(network, classifier, chosen, methods, layer, _CLASS.value, tell=print)
    title = f"What {network.config.model.name} looks at"
    subtitle = f"Trained on {network.config.data.name}; {_WORKDIR.value}"
    arrays.save(found, out / "heat.npz")
    print(write_gallery(found, out, title, subtitle))
    for name, reason in chosen.skipped:
        print(f"skipped {name}: {reason}", file=sys.stderr)
    for name, reason in chosen.unread:
        print(f"not explained {name}: {reason}", file=sys.stderr)
    return SOME_FAILED if chosen.unread else 0


def _folder(name: Path | str) -> Path:
    """Made if absent, before anything is computed for it."""
    path = Path(name).expanduser()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write to {path}: {error.strerror}; name another folder by --out") from error
    return path


def _measure(out: Path, named: list[str]) -> int:
    if named:
        raise UserError(
            "--measure takes images of a toons set, whose parts are known, not files: leave them out"
        )
    from ferjax.explain.measure_run import measure_run

    methods = check_methods(_METHODS.value, tuple(METHODS)) or None
    print(
        measure_run(
            Path(_WORKDIR.value),
            out,
            dataset=_MEASURE_SET.value,
            split=_SPLIT.value,
            data_dir=_DATA_DIR.value,
            per_class=_MEASURE_IMAGES.value,
            methods=methods,
        )
    )
    return 0
