"""Writes annotated pictures and videos, and the timelines of videos, to a folder."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ferjax.deploy import timeline, video
from ferjax.deploy.annotate import annotate
from ferjax.deploy.predict import Outcome
from ferjax.deploy.timeline import Track
from ferjax.errors import UserError
from ferjax.files import real_path
from ferjax.inference.inputs import Input
from ferjax.platform import outputs
from ferjax.report import affect_plots, figures

_VERB, _QUALITY = "predict", 92
_LONGEST = 65_500  # pixels of a JPEG's side
_CAMERA_RATE = 15.0  # frames a second of a camera's video: about as many as are predicted


class AnnotatedFiles:
    """Writes `PLACE.jpg` for every picture, and `PLACE.mp4` with `PLACE-timeline.png` for every video.

    With valence and arousal it also writes `PLACE-plane.png`: where the faces are in the plane of both, and
    the way that those of a video take.

    Args:
        folder: made if it is missing.
        label_names: the classes.
        top_k: how many of a face's classes are written onto a picture; 0: all.
        every: seconds between a video's frames; 0: as many as it has.
        inputs: what will be added; none of their files is overwritten.
        unsure_below: see `ferjax.deploy.annotate.annotate`.
        has_affect: rows will have valence and arousal.

    Raises:
        UserError: the folder cannot be written, or a file in it that would be replaced is an input or was not
            written by predict.
    """

    def __init__(
        self,
        folder: Path,
        label_names: tuple[str, ...],
        top_k: int,
        every: float,
        inputs: Sequence[Input] = (),
        unsure_below: float = 0.0,
        has_affect: bool = False,
    ) -> None:
        self._unsure_below, self._has_affect = unsure_below, has_affect
        self._folder, self._label_names, self._top_k, self._every = folder, label_names, top_k, every
        self._taken: set[Path] = set()
        self._video: tuple[Input, Path, video.Writer] | None = None
        self._tracks: dict[int, Track] = {}
        self._ways: dict[int, list[np.ndarray]] = {}
        outputs.make_folder(folder)
        self._check(inputs)

    def add(self, outcome: Outcome) -> None:
        """Draws one picture or frame; writes nothing for a failure."""
        if self._video and outcome.input.name != self._video[0].name:
            self.finish()
        if outcome.image is None:
            return
        shown = annotate(outcome.image, outcome.rows, self._label_names, self._top_k, self._unsure_below)
        if outcome.rows[0].time is None:
            path = self._path(outcome.input, ".jpg")
            outputs.write(_VERB, path, _jpeg(shown))
            values = {row.face or 1: [row.affect] for row in outcome.rows if row.affect is not None}
            self._write_plane(path, outcome.input, values)
            return
        if self._video is None:
            path = self._path(outcome.input, ".mp4")
            outputs.check(_VERB, path)
            outputs.make_folder(path.parent)
            self._video = (outcome.input, path, video.Writer(path, self._rate(outcome.input)))
        self._video[2].write(shown)
        for row in outcome.rows:
            if row.probabilities is not None and row.face is not None and row.time is not None:
                track = self._tracks.setdefault(row.face, Track([], []))
                track.times.append(row.time)
                track.probabilities.append(row.probabilities)
                if row.affect is not None:
                    self._ways.setdefault(row.face, []).append(row.affect)

    def finish(self) -> None:
        """Closes the video that is being written, if there is one, and draws its timeline."""
        if self._video is None:
            return
        source, path, writer = self._video
        writer.close()
        if self._tracks:
            figure = timeline.draw(self._tracks, self._label_names, source.place.name)
            outputs.write(_VERB, _timeline(path), figures.png(figure))
        self._write_plane(path, source, self._ways)
        self._video, self._tracks, self._ways = None, {}, {}

    def _write_plane(self, path: Path, source: Input, ways: Mapping[int, Sequence[np.ndarray]]) -> None:
        """Draws the valence and arousal of each face of a picture or video; nothing if there are none."""
        if ways:
            points = [np.stack(way) for _, way in sorted(ways.items())]
            names = [f"face {number}" for number in sorted(ways)]
            figure = affect_plots.plane(points, names, source.place.name)
            outputs.write(_VERB, _plane(path), figures.png(figure))

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
        return path

    def _check(self, inputs: Sequence[Input]) -> None:
        """Raises UserError if a file that may be written is an input, or foreign."""
        own = {real_path(place.path) for place in inputs if place.kind in ("picture", "video")}
        for place in inputs:
            if place.kind in ("skipped", "failed"):
                continue
            path = self._path(place, ".jpg" if place.kind == "picture" else ".mp4")
            files = [path] if place.kind == "picture" else [path, _timeline(path)]
            for file in [*files, _plane(path)] if self._has_affect else files:
                if real_path(file) in own:
                    raise UserError(
                        f"--annotate={self._folder} would overwrite the input {file}; name another folder"
                    )
                outputs.check(_VERB, file)
        self._taken = set()


def _timeline(video_path: Path) -> Path:
    return video_path.with_name(f"{video_path.stem}-timeline.png")


def _plane(path: Path) -> Path:
    return path.with_name(f"{path.stem}-plane.png")


def _jpeg(image: np.ndarray) -> bytes:
    """Encodes uint8 `[H, W, 3]`, resized if a side is longer than a JPEG's may be."""
    picture, content = Image.fromarray(image), io.BytesIO()
    picture.thumbnail((_LONGEST, _LONGEST))
    picture.save(content, "JPEG", quality=_QUALITY)
    return content.getvalue()
