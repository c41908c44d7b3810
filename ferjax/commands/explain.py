"""`python -m ferjax explain [--workdir=RUN] [--images=FILES]`: shows what a trained network looks at.

Without --images it explains examples of the run's own data set: right and sure ones of every class, and the
surest mistakes. With --images (files, folders, patterns; more may follow as plain arguments) it explains
the faces of pictures, which are found and turned upright as in predict; with --cropped every picture is one
face already. Without --workdir it explains the network that ferjax ships.

It writes index.html, one page that opens offline, and heat.npz with the maps as numbers. With --measure it
measures the methods on the embedded data set, whose parts of the face are known.
"""

import logging
from functools import partial
from pathlib import Path

from absl import flags

from ferjax.commands import framework
from ferjax.commands.chosen_network import chosen_network, workdir_flag
from ferjax.data import builders
from ferjax.deploy.faces import Detector
from ferjax.errors import UserError
from ferjax.explain import gallery, heat_file, subjects
from ferjax.explain.layers import check_layer
from ferjax.explain.methods import METHODS, check_methods
from ferjax.explain.module_views import PICTURES
from ferjax.explain.run_methods import PREDICTED, choose_methods, explain
from ferjax.inference.classifier import Classifier
from ferjax.inference.open_run import open_network
from ferjax.platform import outputs
from ferjax.platform.machine import keep_compiled
from ferjax.pretrained.places import is_shipped
from ferjax.registry import verb
from ferjax.storage import mirrors

_WORKDIR = workdir_flag()
_IMAGES = flags.DEFINE_multi_string("images", [], "A file, folder or pattern; may be given several times.")
_CROPPED = flags.DEFINE_bool("cropped", False, "Every picture is one face already; no face is searched for.")
_SCORE = flags.DEFINE_float(
    "min_score", 0.6, "The lowest confidence at which the detector reports a face.", 0, 1
)
_SPLIT = flags.DEFINE_string("split", "test", "Without --images: the split of the run's data set.")
_COUNT = flags.DEFINE_integer("count", 24, "Without --images: how many examples.", 1)
_METHODS = flags.DEFINE_list(
    "methods", [], f"Any of {', '.join((*METHODS, *PICTURES))}; all that work with the network if empty."
)
_LAYER = flags.DEFINE_string(
    "layer",
    "",
    "The layer that Grad-CAM, Grad-CAM++ and HiResCAM use; the last one with a fine grid if empty.",
)
_CLASS = flags.DEFINE_string(
    "of_class", PREDICTED, "The class to explain: predicted, actual, or a class's name."
)
_DATA_DIR = framework.path_flag(
    "data_dir", "", "Folder of the built data sets; the run's own if empty.", fetch=False
)
_OUT = framework.path_flag(
    "out", "", "Folder to write to; WORKDIR/explanations if empty, without a workdir explanations."
)
_MEASURE = flags.DEFINE_bool("measure", False, "Measure the methods on a toons set instead.")
_MEASURE_IMAGES = flags.DEFINE_integer(
    "measure_images", 20, "With --measure: images of each class.", 1, 10_000
)
_MEASURE_SET = flags.DEFINE_string("measure_set", "", "With --measure: a toons set; the run's own if empty.")

SOME_FAILED = 1
_logger = logging.getLogger(__name__)


@verb("looking closer", "show what a trained network looks at, image by image")
def main(argv: list[str]) -> int:
    """Writes the page and prints its path; returns 1 if a named file could not be read."""
    keep_compiled()
    named = [*_IMAGES.value, *argv[1:]]
    workdir = chosen_network(_WORKDIR.value)
    network = open_network(workdir)
    if is_shipped(workdir) and not named and not _MEASURE.value:
        _check_built(network.config.data.name)
    beside = Path() if is_shipped(workdir) else workdir
    out = outputs.make_folder(Path(_OUT.value or beside / "explanations"))
    if _MEASURE.value:
        return _measure(workdir, out, named)
    outputs.check(gallery.VERB, out / gallery.PAGE, out / heat_file.FILE)
    methods = choose_methods(network, _METHODS.value)
    layer = check_layer(network.model, (network.image_size, network.image_size), _LAYER.value)
    classifier = Classifier.of(network)
    if named:
        cut = None if _CROPPED.value else partial(Detector(_SCORE.value).cut, margin=classifier.margin)
        chosen = subjects.from_files(named, classifier, cut)
    else:
        chosen = subjects.from_split(network, classifier, _SPLIT.value, _COUNT.value, _DATA_DIR.value)
    explained = explain(network, classifier, chosen, methods, layer, _CLASS.value)
    title = f"What {network.config.model.name} looks at"
    shown = workdir.name if is_shipped(workdir) else mirrors.shown(str(workdir))
    subtitle = f"{network.origin.capitalize()}; {shown}"
    heat_file.save(explained, out / heat_file.FILE)
    print(gallery.write_gallery(explained, out, title, subtitle))
    for name, reason in chosen.skipped:
        _logger.warning("skipped %s: %s", name, reason)
    for name, reason in chosen.unread:
        _logger.warning("not explained %s: %s", name, reason)
    return SOME_FAILED if chosen.unread else 0


def _check_built(data_set: str) -> None:
    """Raises UserError if the data set of the network that ferjax ships is not here, as it mostly is not."""
    if not builders.folder(data_set, _DATA_DIR.value).exists():
        raise UserError(
            f"name pictures with --images=FILES: without them examples of {data_set} are explained, which is "
            f"not built in {builders.data_root(_DATA_DIR.value)} (docs/data_sets.md)"
        )


def _measure(workdir: Path, out: Path, named: list[str]) -> int:
    if named:
        raise UserError(
            "--measure takes images of a toons set, whose parts of the face are known: leave the files out"
        )
    from ferjax.explain.measure_run import measure_run

    methods = check_methods(_METHODS.value, tuple(METHODS)) or None
    print(
        measure_run(
            workdir,
            out,
            dataset=_MEASURE_SET.value,
            split=_SPLIT.value,
            data_dir=_DATA_DIR.value,
            per_class=_MEASURE_IMAGES.value,
            methods=methods,
        )
    )
    return 0
