"""`python -m ferjax predict INPUT…`: predicts the emotions of the faces in pictures and videos.

INPUT is a picture, a folder, a pattern ('*.jpg'), a video, or webcam (webcam:1 is the second one). The
network is the one that ferjax ships; --workdir=RUN takes that of a run instead, and --bundle=PATH one that
`python -m ferjax export` wrote. Faces are found and turned upright; with --cropped every picture is one face
already. Probabilities are calibrated; a face whose most likely class has less than --unsure_below is called
unsure. Where the run measured it, each face also has the set of classes that holds the actual one 90 % of the
time.

--parts=FOLDER is for millions of pictures: each input is predicted once, the rows go to many files (Parquet,
CSV or JSON lines), and the same command goes on where it was ended. INPUT may then also be a .txt file with
an input on each line, a .tar archive or a Parquet file of pictures. --beam spreads the work.

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
from ferjax.commands.beam_flags import beam_flags
from ferjax.commands.chosen_network import chosen_network, crops_flag, engine_flag, workdir_flag
from ferjax.deploy import engines, output_rows, video
from ferjax.deploy.faces import TILES, Detector
from ferjax.deploy.predict import Options, predict
from ferjax.errors import UserError
from ferjax.files import real_path
from ferjax.inference.inputs import expand
from ferjax.inference.open_run import open_network
from ferjax.platform import outputs
from ferjax.platform.console import printable
from ferjax.platform.machine import keep_compiled
from ferjax.registry import verb
from ferjax.report.wording import count_of

SOME_FAILED = 1

_WORKDIR = workdir_flag()
_BUNDLE = framework.network_flag("bundle", "An exported bundle, instead of a run.")
_ENGINE = engine_flag()
_CROPS = crops_flag()
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
_FORMAT = flags.DEFINE_enum(
    "format",
    None,
    (*output_rows.FORMATS, "parquet"),
    "The format of the rows: table if not given, and parquet, which is for --parts only, with --parts.",
)
_OUT = framework.path_flag("out", "", "The file to write the rows to; empty: they are printed.")
_ANNOTATE = framework.path_flag("annotate", "", "A folder for annotated pictures and videos, and timelines.")
_SMOOTH = flags.DEFINE_float("smooth", 0.0, "Seconds over which a video's probabilities are averaged.", 0)
_EVERY = flags.DEFINE_float("every", 0.0, "Seconds between the frames of videos; 0: all frames.", 0)
_SECONDS = flags.DEFINE_float("seconds", 0.0, "How long a camera is watched; 0: until ^C.", 0)
_PARTS = framework.path_flag("parts", "", "The folder for the rows of very many inputs, in many files.")
_PART_INPUTS = flags.DEFINE_integer("part_inputs", 1024, "With --parts: how many inputs a file is for.", 1)
_IMAGE_COLUMN = flags.DEFINE_string(
    "image_column", "image", "With --parts: the column of a Parquet input that holds the pictures."
)
_BEAM = beam_flags("With --parts: work in parallel")


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
    if _PARTS.value:
        return _predict_parts(argv[1:])
    if _FORMAT.value == "parquet" or _BEAM() is not None:
        raise UserError("--beam and --format=parquet write many files: name their folder with --parts=FOLDER")
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
    opened = open_network(chosen_network(_WORKDIR.value or _BUNDLE.value)).with_crops(_CROPS.value)
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
            _FORMAT.value or "table",
            network.label_names,
            _TOP_K.value,
            out,
            live=live,
            unsure_below=unsure_below,
            has_affect=network.has_affect,
            set_of=network.set_of,
            coverage=network.sets.coverage if network.sets else 0.0,
            tells_unlike=network.distances is not None,
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


def _predict_parts(arguments: list[str]) -> int:
    """Predicts into many files, see `ferjax.bulk.run`; returns the exit code."""
    from ferjax.bulk.run import FORMATS, predict_parts
    from ferjax.bulk.work import Settings

    if _OUT.value or _ANNOTATE.value:
        raise UserError("--parts takes no --out and no --annotate")
    if _ENGINE.value == engines.ONNXRUNTIME:
        raise UserError(
            "--parts computes with XLA, so that every machine writes the same: leave --engine out"
        )
    if (suffix := _FORMAT.value or FORMATS[0]) not in FORMATS:
        raise UserError(f"--parts takes --format={', '.join(FORMATS)}, not {suffix}")
    settings = Settings(
        min_score=None if _CROPPED.value else _SCORE.value,
        tiles=_TILES.value,
        smooth=_SMOOTH.value,
        every=_EVERY.value,
        unsure_below=_UNSURE.value,
        top_k=_TOP_K.value,
        image_column=_IMAGE_COLUMN.value,
        crops=_CROPS.value,
    )
    network, folder = chosen_network(_WORKDIR.value or _BUNDLE.value), Path(_PARTS.value)
    total = predict_parts(arguments, network, settings, folder, suffix, _PART_INPUTS.value, _BEAM())
    counts = Counter({**total.inputs, output_rows.OK: total.faces})
    for failure in total.failures:
        print(f"failed: {printable(failure)}", file=sys.stderr)
    print(f"{count_of(total.inputs.total(), 'input')} in {folder}:", file=sys.stderr)
    _print_summary(counts)
    return SOME_FAILED if counts[output_rows.FAILED] else 0


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
