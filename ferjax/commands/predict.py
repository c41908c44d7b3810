"""`python -m ferjax predict INPUT…`: predicts the emotions of the faces in pictures and videos.

INPUT is a picture, a folder, a pattern ('*.jpg'), a video, or webcam (webcam:1 is the second one). The
network is the one that ferjax ships; --workdir=RUN takes that of a run instead, and --bundle=PATH one that
`python -m ferjax export` wrote. Faces are found and turned upright; with --cropped every picture is one face
already. Probabilities are calibrated; a face whose most likely class has less than --unsure_below is called
unsure. Where the run measured it, each face also has the set of classes that holds the actual one 90 % of the
time.

The exit code is 0 if all went well, 1 if an input could not be read (its row says why, and the others are
still predicted) or nothing was read, 2 if the command itself was wrong.
"""

import contextlib
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from absl import flags

from ferjax.commands import framework
from ferjax.commands.chosen_network import chosen_network, engine_flag, workdir_flag
from ferjax.deploy import engines, output_rows, video
from ferjax.deploy.faces import TILES, Detector
from ferjax.deploy.predict import Options, predict
from ferjax.errors import UserError
from ferjax.files import real_path
from ferjax.inference.inputs import expand
from ferjax.inference.open_run import open_network
from ferjax.platform import outputs
from ferjax.platform.machine import keep_compiled
from ferjax.registry import verb
from ferjax.report.wording import count_of

SOME_FAILED = 1

_WORKDIR = workdir_flag()
_BUNDLE = framework.path_flag("bundle", "", "An exported bundle, instead of a run.")
_ENGINE = engine_flag()
_UNSURE = flags.DEFINE_float(
    "unsure_below",
    None,
    "A face is unsure if its most likely class has less than this; the network's own threshold if not given; "
    "0: no face is.",
    0,
    1,
)
_CROPPED = flags.DEFINE_bool("cropped", False, "Every picture is one face already; no face is searched for.")
_SCORE = flags.DEFINE_float(
    "min_score", 0.6, "The lowest confidence at which the detector reports a face.", 0, 1
)
_TILES = flags.DEFINE_integer(
    "tiles",
    None,
    "How many tiles a large picture is searched in at most, for small faces; 0: only as a whole. If "
    f"not given {TILES} for pictures and 0 for videos.",
    0,
)
_TOP_K = flags.DEFINE_integer("top_k", 3, "How many classes are written for a face; 0: all.", 0)
_FORMAT = flags.DEFINE_enum("format", "table", output_rows.FORMATS, "The format of the rows.")
_OUT = framework.path_flag("out", "", "The file to write the rows to; empty: they are printed.")
_ANNOTATE = framework.path_flag("annotate", "", "A folder for annotated pictures and videos, and timelines.")
_SMOOTH = flags.DEFINE_float("smooth", 0.0, "Seconds over which a video's probabilities are averaged.", 0)
_EVERY = flags.DEFINE_float("every", 0.0, "Seconds between the frames of videos; 0: all frames.", 0)
_SECONDS = flags.DEFINE_float("seconds", 0.0, "How long a camera is watched; 0: until ^C.", 0)


@verb("use", "name the emotion of faces in pictures and videos")
def main(argv: list[str]) -> int:
    """Predicts the inputs named after the program.

    Raises:
        UserError: no input, no network, or a file that cannot be written.
    """
    if len(argv) < 2:
        raise UserError("name pictures, folders, videos or webcam: python -m ferjax predict INPUT…")
    if _WORKDIR.value and _BUNDLE.value:
        raise UserError("name one network: --workdir=RUN or --bundle=PATH")
    keep_compiled()
    inputs = list(
        expand(argv[1:])
    )  # before anything is written: the output may lie in a folder that is searched
    if _OUT.value:
        if any(_same(item.path, _OUT.value) for item in inputs):
            raise UserError(
                f"--out={_OUT.value} is one of the inputs, and would be overwritten; name another file"
            )
        outputs.check("predict", Path(_OUT.value))
    if any(item.kind in ("video", "camera") for item in inputs):
        video.opencv()  # if it is not installed, the error comes first
    opened = open_network(chosen_network(_WORKDIR.value or _BUNDLE.value))
    network = engines.classifier(opened, _ENGINE.value)
    unsure_below = network.unsure_below if _UNSURE.value is None else _UNSURE.value
    options = Options(
        detector=None if _CROPPED.value else Detector(_SCORE.value),
        tiles=_TILES.value,
        keep=bool(_ANNOTATE.value),
        smooth=_SMOOTH.value,
        every=_EVERY.value,
        seconds=_SECONDS.value,
    )
    live = any(item.kind == "camera" for item in inputs)
    counts: Counter[str] = Counter()
    with contextlib.ExitStack() as ending:
        annotated = None
        if _ANNOTATE.value:
            from ferjax.deploy.annotated_files import AnnotatedFiles  # draws with Matplotlib

            folder = Path(_ANNOTATE.value)
            annotated = AnnotatedFiles(
                folder,
                network.label_names,
                _TOP_K.value,
                _EVERY.value,
                inputs,
                unsure_below,
                network.has_affect,
            )
            ending.callback(annotated.finish)
        out = ending.enter_context(_opened())
        rows = output_rows.writer(
            _FORMAT.value,
            network.label_names,
            _TOP_K.value,
            out,
            live=live,
            unsure_below=unsure_below,
            has_affect=network.has_affect,
            set_of=network.set_of,
            coverage=network.sets.coverage if network.sets else 0.0,
        )
        ending.callback(rows.close)
        try:
            for outcome in predict(inputs, network, options):
                for row in outcome.rows:
                    rows.write(row)
                    counts[row.status] += 1
                if annotated:
                    annotated.add(outcome)
        except KeyboardInterrupt:
            if not live:  # ^C is the way to stop a camera
                raise
    _print_summary(counts)
    read = counts[output_rows.OK] + counts[output_rows.NO_FACE]
    return 0 if (read or live) and not counts[output_rows.FAILED] else SOME_FAILED


@contextlib.contextmanager
def _opened() -> Iterator[TextIO]:
    """Opens the file of --out, or yields stdout."""
    if not _OUT.value:
        yield sys.stdout
        return
    path = Path(_OUT.value)
    outputs.check("predict", path)
    with outputs.describing_errors(path):
        file = path.open("w", encoding="utf-8", newline="")
    with file:
        yield file


def _same(path: Path, name: str) -> bool:
    return real_path(path) == real_path(name)


def _print_summary(counts: Counter[str]) -> None:
    """Prints one line on stderr, because a program may read stdout."""
    parts = [count_of(counts[output_rows.OK], "face")]
    parts += [f"{counts[status]:,} {words}" for status, words in _WORDS.items() if counts[status]]
    print(", ".join(parts), file=sys.stderr)
    if counts[output_rows.NO_FACE] and not counts[output_rows.OK]:
        print(
            "the detector is made for photographs; take drawings and cut-out faces whole with --cropped",
            file=sys.stderr,
        )


_WORDS = {output_rows.NO_FACE: "without a face", output_rows.FAILED: "failed", output_rows.SKIPPED: "skipped"}
