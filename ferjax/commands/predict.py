"""`python -m ferjax predict INPUT… --workdir=RUN`: which emotion the faces in pictures and videos show.

INPUT is a picture, a folder, a pattern ('*.jpg'), a video, or webcam (webcam:1 is the second one). Instead of
a run's folder --bundle=PATH takes what `python -m ferjax export` wrote. Faces are found and turned upright
(pip install 'ferjax[faces]'); --cropped says that every picture is one face already. Probabilities are
calibrated.

The exit code is 0 if all went well, 1 if something could not be read (its row says why, and the others are
told all the same), 2 if the command itself was wrong.
"""

import contextlib
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from absl import flags

from ferjax.deploy import output_rows, video
from ferjax.deploy.faces import Detector
from ferjax.deploy.predict import Options, predict
from ferjax.errors import UserError
from ferjax.inference import classifier
from ferjax.inference.inputs import expand
from ferjax.platform.machine import keep_compiled
from ferjax.registry import verb
from ferjax.report.wording import count_of

SOME_FAILED = 1

_WORKDIR = flags.DEFINE_string("workdir", "", "The run's folder.")
_BUNDLE = flags.DEFINE_string("bundle", "", "An exported bundle, in place of a run.")
_CROPPED = flags.DEFINE_bool("cropped", False, "Every picture is one face as a whole: nothing is detected.")
_SCORE = flags.DEFINE_float("min_score", 0.6, "How sure the detector must be of a face.", 0, 1)
_TOP_K = flags.DEFINE_integer("top_k", 3, "How many classes are told of a face; 0: all.", 0)
_FORMAT = flags.DEFINE_enum("format", "table", output_rows.FORMATS, "How rows are written.")
_OUT = flags.DEFINE_string("out", "", "The file of the rows; they are printed if empty.")
_ANNOTATE = flags.DEFINE_string("annotate", "", "A folder for pictures and videos with boxes and timelines.")
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
        raise UserError(
            "name pictures, folders, videos or webcam: python -m ferjax predict INPUT… --workdir=RUN"
        )
    if bool(_WORKDIR.value) == bool(_BUNDLE.value):
        raise UserError("name one network: --workdir=RUN or --bundle=PATH")
    keep_compiled()
    inputs = list(expand(argv[1:]))  # before anything is written, for that may be where files are looked for
    if _OUT.value and any(_same(found.path, _OUT.value) for found in inputs):
        raise UserError(
            f"--out={_OUT.value} is one of the inputs, and would be overwritten; name another file"
        )
    if any(found.kind in ("video", "camera") for found in inputs):
        video.opencv()  # if it is not installed, that is told before anything is done
    network = classifier.load(_WORKDIR.value or _BUNDLE.value)
    options = Options(
        detector=None if _CROPPED.value else Detector(_SCORE.value),
        keep=bool(_ANNOTATE.value),
        smooth=_SMOOTH.value,
        every=_EVERY.value,
        seconds=_SECONDS.value,
    )
    watched = any(found.kind == "camera" for found in inputs)
    counts: Counter[str] = Counter()
    with contextlib.ExitStack() as ending:
        out = ending.enter_context(_opened())
        told = output_rows.writer(_FORMAT.value, network.label_names, _TOP_K.value, out, live=watched)
        ending.callback(told.close)
        drawn = None
        if _ANNOTATE.value:
            from ferjax.deploy.annotated import AnnotatedFiles  # draws with Matplotlib

            folder = Path(_ANNOTATE.value).expanduser()
            drawn = AnnotatedFiles(folder, network.label_names, _TOP_K.value, _EVERY.value)
            ending.callback(drawn.finish)
        try:
            for outcome in predict(inputs, network, options):
                for row in outcome.rows:
                    told.write(row)
                    counts[row.status] += 1
                if drawn:
                    drawn.add(outcome)
        except KeyboardInterrupt:
            if not watched:
                raise  # of a camera it is the way to end
    _sum_up(counts)
    return SOME_FAILED if counts[output_rows.FAILED] else 0


@contextlib.contextmanager
def _opened() -> Iterator[TextIO]:
    """The file of --out, or stdout."""
    if not _OUT.value:
        yield sys.stdout
        return
    path = Path(_OUT.value).expanduser()
    try:
        file = path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise UserError(f"cannot write --out={path}: {error.strerror}; name another file") from error
    with file:
        yield file


def _same(path: Path, name: str) -> bool:
    return path.resolve() == Path(name).expanduser().resolve()


def _sum_up(counts: Counter[str]) -> None:
    """One line on stderr, for stdout may be read by a program."""
    told = [count_of(counts[output_rows.OK], "face")]
    told += [f"{counts[status]:,} {words}" for status, words in _WORDS.items() if counts[status]]
    print(", ".join(told), file=sys.stderr)


_WORDS = {output_rows.NO_FACE: "without a face", output_rows.FAILED: "failed", output_rows.SKIPPED: "skipped"}
