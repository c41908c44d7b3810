"""Writes annotated pictures and videos, and the timelines of videos, to a folder."""

from pathlib import Path

from PIL import Image

from ferjax.deploy import timeline, video
from ferjax.deploy.annotate import annotate
from ferjax.deploy.predict import Outcome
from ferjax.deploy.timeline import Track
from ferjax.errors import UserError
from ferjax.files import write_atomic
from ferjax.inference.inputs import Input
from ferjax.report import figures

_QUALITY = 92
_CAMERA_RATE = 15.0  # frames a second of a camera's video: about as many as are predicted


class AnnotatedFiles:
    """Writes `PLACE.jpg` for every picture, and `PLACE.mp4` with `PLACE-timeline.png` for every video.

    Args:
        folder: made if it is missing.
        label_names: the classes.
        top_k: how many of a face's classes are written onto a picture; 0: all.
        every: seconds between a video's frames; 0: as many as it has.

    Raises:
        UserError: the folder cannot be written.
    """

    def __init__(self, folder: Path, label_names: tuple[str, ...], top_k: int, every: float) -> None:
        self._folder, self._label_names, self._top_k, self._every = folder, label_names, top_k, every
        self._taken: set[Path] = set()
        self._video: tuple[Input, Path, video.Writer] | None = None
        self._tracks: dict[int, Track] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"cannot write the folder {folder}: {error.strerror}; name another") from error

    def add(self, outcome: Outcome) -> None:
        """Draws one picture or frame; writes nothing for a failure."""
        if self._video and outcome.input.name != self._video[0].name:
            self.finish()
        if outcome.image is None:
            return
        shown = annotate(outcome.image, outcome.rows, self._label_names, self._top_k)
        if outcome.rows[0].time is None:
            path = self._path(outcome.input, ".jpg")
            try:
                Image.fromarray(shown).save(path, "JPEG", quality=_QUALITY)
            except OSError as error:
                raise UserError(f"cannot write {path}: {error.strerror or error}") from error
            return
        if self._video is None:
            path = self._path(outcome.input, ".mp4")
            self._video = (outcome.input, path, video.Writer(path, self._rate(outcome.input)))
        self._video[2].write(shown)
        for row in outcome.rows:
            if row.probabilities is not None and row.face is not None and row.time is not None:
                track = self._tracks.setdefault(row.face, Track([], []))
                track.times.append(row.time)
                track.probabilities.append(row.probabilities)

    def finish(self) -> None:
        """Closes the video that is being written, if there is one, and draws its timeline."""
        if self._video is None:
            return
        source, path, writer = self._video
        writer.close()
        if self._tracks:
            figure = timeline.draw(self._tracks, self._label_names, source.place.name)
            write_atomic(path.with_name(f"{path.stem}-timeline.png"), figures.png(figure))
        self._video, self._tracks = None, {}

    def _rate(self, source: Input) -> float:
        usual = _CAMERA_RATE if source.kind == "camera" else video.file_rate(source.path)
        return min(usual, 1 / self._every) if self._every else usual

    def _path(self, source: Input, suffix: str) -> Path:
        """Chooses a path that no earlier input has: two inputs may have the same name."""
        wanted = self._folder / source.place.with_suffix(suffix)
        path, count = wanted, 1
        while path in self._taken:
            count += 1
            path = wanted.with_name(f"{wanted.stem}-{count}{suffix}")
        self._taken.add(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path
