"""Base class of the builders of licensed sets: reads the user's folder, writes ArrayRecord shards.

A builder of one set adds its parsing (`examples`), its classes and features (`LABELS`, `IMAGE_SHAPE`, …) and
the files that it looks for (`MANUAL_DOWNLOAD_INSTRUCTIONS`, `PUBLISHED`).
"""

import abc
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import tensorflow_datasets as tfds
from tensorflow_datasets.core.dataset_builder import FileReaderBuilder

from ferjax.data.builders.bad_rows import BadRowError, Survey, SurveyedError
from ferjax.data.builders.known_layouts import class_folders_hint, known_layout
from ferjax.data.builders.reconciled import shown
from ferjax.data.builders.set_info import SetInfo
from ferjax.data.builders.shards import ExampleWriter, SplitWriter, Written, shard_path, template
from ferjax.data.builders.text_files import table
from ferjax.data.labels import FER7
from ferjax.errors import UserError, listed
from ferjax.files import user_path
from ferjax.platform.progress_bar import progress

# f(tasks, function that carries out one, folder of the set) → outcomes: see `shard_tasks`.
RunTasks = Callable[[Sequence[Any], Callable[[Any], Any], Path], Sequence[Any]]
ARCHIVES = (".zip", ".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz")


class LicensedBuilder(FileReaderBuilder, skip_registration=True):
    """Builds a set from files that the user downloaded.

    Examples are written as they are read: in the order of the source, in one pass, with one example in
    memory at a time. (TFDS's own `GeneratorBasedBuilder` shuffles first, and past 1 GB a split it
    shuffles with TensorFlow. ferjax shuffles when it trains.) TFDS puts the finished folder in place
    with one rename, so a build that stops half-way leaves no set.

    Every example holds `image`, `label`, `id` (where it came from, a file or a file and a line), `group` in
    sets of known people or of several faces an image (examples of one group belong in one split; empty where
    it is not known), and the set's own extras.

    Attributes:
        MANUAL_DOWNLOAD_INSTRUCTIONS: the files that are looked for in the user's folder.
        DESCRIPTION: one sentence on the set.
        SOURCE: what to cite for it, authors and year as in "Li et al. (2017)", several with semicolons.
        PUBLISHED: split → class name, or "total", → published number of examples.
        LABELS: the classes in order; empty where the builder sets them while it reads.
        IMAGE_SHAPE: (H, W, C) as stored, None where it varies.
        GROUPED: whether examples have a `group`.
        EXTRAS: further features.
        OPTIONS: option → (its default, what it does).
        TOLERANT: whether the set is known to list files that are missing or unreadable, which are
            then counted instead of refused.
        FIRST_SPLIT: the split that must hold an example.
        options: option → value, as text.
        expected: the number of examples, if known: the published one, or the one that the copy lists.
        bad_rows: rows left out so far; stored in the metadata of the built set, as are the notes.
        left_out: which images of the user's folder are not stored, and why, a sentence each.
        survey: counts rows after one was refused; None while the set is built.
        notes: what the user should know about the copy that was read, a sentence each.
    """

    MANUAL_DOWNLOAD_INSTRUCTIONS: ClassVar[str] = "the files of the data set"
    DESCRIPTION: ClassVar[str] = ""
    SOURCE: ClassVar[str] = ""
    PUBLISHED: ClassVar[dict[str, dict[str, int]]] = {}
    LABELS: ClassVar[tuple[str, ...]] = FER7
    IMAGE_SHAPE: ClassVar[tuple[int | None, int | None, int]] = (None, None, 3)
    GROUPED: ClassVar[bool] = False
    EXTRAS: ClassVar[dict[str, Any]] = {}
    OPTIONS: ClassVar[dict[str, tuple[str, str]]] = {}
    TOLERANT: ClassVar[bool] = False
    FIRST_SPLIT: ClassVar[str] = "train"

    def __init__(
        self,
        *,
        manual_dir: str | os.PathLike | None = None,
        skip_bad_rows: bool = False,
        options: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._manual_dir = manual_dir
        self._skip_bad_rows = skip_bad_rows
        for key in options or {}:
            if key not in self.OPTIONS:
                known = "; ".join(f"{name}: {text}" for name, (_, text) in self.OPTIONS.items())
                raise UserError(f"{self.name} has no option {key!r}; it has {known or 'none'}")
        self.options = {name: default for name, (default, _) in self.OPTIONS.items()} | dict(options or {})
        # The published number stands for the length of the work until the copy is listed.
        self.expected = sum(published.get("total", 0) for published in self.PUBLISHED.values()) or None
        self.bad_rows = 0
        self.notes: list[str] = []
        self.left_out: list[str] = []
        self._lost: list[str] = []
        self.survey: Survey | None = None

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "image": tfds.features.Image(shape=self.IMAGE_SHAPE),
            "label": tfds.features.ClassLabel(names=list(self.LABELS) or None),
            "id": tfds.features.Text(),
            **({"group": tfds.features.Text()} if self.GROUPED else {}),
            **self.EXTRAS,
        }
        return SetInfo(
            builder=self,
            description=self.DESCRIPTION,
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("image", "label"),
            metadata=tfds.core.MetadataDict(),
        )

    @property
    def features(self) -> tfds.features.FeaturesDict:
        """The features of an example."""
        features = self.info.features
        if not isinstance(features, tfds.features.FeaturesDict):
            raise TypeError(f"the examples of {self.name} are no dictionaries")
        return features

    @abc.abstractmethod
    def examples(self, folder: Path) -> Iterator[tuple[str, dict[str, Any] | None]]:
        """Yields (split, example) in the order of the source; `folder` exists and holds the user's files.

        None stands for an example that is listed and missing or unreadable.
        """

    def write_shards(self, folder: Path, run: RunTasks) -> dict[str, Written]:
        """Writes all splits as tasks that `run` carries out; see `ImageSetBuilder`.

        Raises:
            UserError: this set cannot be cut into parts.
        """
        raise UserError(f"{self.name} is built from one file in one pass: leave out --beam")

    def reject(self, where: str, why: object) -> None:
        """Stops the build because of one bad row; under --skip_bad_rows counts the row instead."""
        if not self._skip_bad_rows:
            raise BadRowError(where, why)
        self.bad_rows += 1
        if self.survey:
            self.survey.refuse(str(why))

    def lose(self, where: str, why: object) -> None:
        """Counts a listed file that is missing or unreadable in a `TOLERANT` set; rejects it in others."""
        if not self.TOLERANT:
            return self.reject(where, why)
        self.bad_rows += 1
        self._lost.append(f"{where} ({why})")
        return None

    def rows(
        self, path: Path, columns: Sequence[str], *, headless: Sequence[str] = ()
    ) -> Iterator[tuple[int, dict[str, str]]]:
        """Yields (line number, column → field) of a CSV file, see `text_files.table`; rejects bad lines."""
        for number, row in table(path, columns, headless=headless):
            if isinstance(row, ValueError):
                self.reject(f"{path} line {number}", row)
            else:
                yield number, row

    def meaning(self, codes: Mapping[str, str], code: str, where: str) -> str | None:
        """Returns the class that a code stands for; rejects a code of no class and returns None."""
        if code not in codes:
            self.reject(where, f"label {code[:20]!r} is not one of {', '.join(codes)}")
        return codes.get(code)

    def number_option(self, name: str, low: float, high: float, *, whole: bool = False) -> float:
        """Returns an option that is a number of low … high, or raises UserError."""
        try:
            value = float(self.options[name])
        except ValueError:
            value = math.nan
        if not low <= value <= high or (whole and not value.is_integer()):
            what = "a whole number" if whole else "a number"
            raise UserError(f"option {name}={self.options[name]}: it must be {what} of {low:g} … {high:g}")
        return value

    def note_no_splits(self, fold: str) -> None:
        """Notes that the set has no official splits; `fold` is the `data.fold` to divide it with."""
        self.notes.append(
            f"{self.name} has no official splits: everything is in train; data.fold={fold} divides it"
        )

    def missing(self, folder: Path) -> UserError:
        """Returns the error for a folder without the expected files: what it is, or what is there."""
        if layout := known_layout(folder, self.name) or class_folders_hint(folder):
            return UserError(f"no {self.name} in {folder}: {layout}")
        entries = [
            shown(f"{entry.name}/" if entry.is_dir() else entry.name) for entry in sorted(folder.iterdir())
        ]
        packed = [name for name in entries if name.lower().endswith(ARCHIVES)]
        unpack = f". {packed[0]} is an archive: unpack it first" if packed else ""
        line = f"no {self.name} in {folder}: looked for {self.MANUAL_DOWNLOAD_INSTRUCTIONS}; found "
        room = 400 - len(line) - len(unpack)
        fitting = (listed(entries, most=most) for most in range(10, 0, -1))
        found = next((text for text in fitting if len(text) <= room), listed(entries, most=2))
        return UserError(f"{line}{found or 'nothing'}{unpack}")

    def _download_and_prepare(
        self, dl_manager: object, download_config: tfds.download.DownloadConfig | None = None
    ) -> None:
        folder = self._folder()
        self._sweep()
        try:
            written = self._write_all(folder, download_config)
        except BadRowError as bad:
            raise UserError(f"{bad}. {self._advice(folder)}") from bad
        if not (self.FIRST_SPLIT in written and written[self.FIRST_SPLIT].lengths):
            what = "training" if self.FIRST_SPLIT == "train" else self.FIRST_SPLIT
            first = f"; {self.bad_rows} were refused, the first is {self._lost[0]}" if self._lost else ""
            others = f"; {self.left_out[0]}" if self.left_out else ""
            raise UserError(f"no {what} example of {self.name} in {folder}{first}{others}")
        order = ("train", "validation", "test")
        written = {split: written[split] for split in order if split in written and written[split].lengths}
        self._note_missing(written)
        splits = [
            tfds.core.SplitInfo(
                name=split,
                shard_lengths=part.lengths,
                num_bytes=part.size,
                filename_template=self.files_of(split),
            )
            for split, part in written.items()
        ]
        self.info.set_splits(tfds.core.SplitDict(splits))
        metadata: Any = self.info.metadata
        metadata.update(bad_rows=self.bad_rows, notes=self.notes, options=self.options)

    def _write_all(
        self, folder: Path, download_config: tfds.download.DownloadConfig | None
    ) -> dict[str, Written]:
        if download_config and (download_config.beam_runner or download_config.beam_options):
            from ferjax.data.builders import beam_pipeline  # an optional extra

            return self.write_shards(folder, partial(beam_pipeline.run, config=download_config))
        return self._write(folder)

    def _advice(self, folder: Path) -> str:
        """Tells what to do about a bad row: to skip such rows only if they are few."""
        self.survey, self._skip_bad_rows = Survey(), True
        try:
            for _, example in self.examples(folder):
                self.survey.accept(example is not None)
        except SurveyedError:
            pass
        except UserError:
            return "Other rows are refused, too"  # and cannot be skipped
        finally:
            survey, self.survey, self._skip_bad_rows = self.survey, None, False
        return survey.advice()

    def _write(self, folder: Path) -> dict[str, Written]:
        """Writes all splits in one pass."""
        writers: dict[str, SplitWriter] = {}
        # The bar appears late, so that an error about a wrong folder stands alone.
        with progress(f"building {self.name}", "images", delay=0.5) as bar:
            for split, example in self.examples(folder):
                if not writers:
                    bar.reset(self.expected)  # its clock must not count the time that listing took
                if split not in writers:
                    path_of = partial(shard_path, self.files_of(split))
                    writers[split] = SplitWriter(path_of, ExampleWriter(self.features))
                writers[split].write(example)
                bar.update()
        return {split: writer.finish() for split, writer in writers.items()}

    def _note_missing(self, written: Mapping[str, Written]) -> None:
        feature: Any = self.features["label"]
        for split, part in written.items():
            present = {name if isinstance(name, str) else feature.names[name] for name in part.labels}
            if lacking := [name for name in feature.names if name not in present]:
                self.notes.append(f"{split} has no image of {', '.join(lacking)}")
        if self._lost:
            share = len(self._lost) / (len(self._lost) + sum(sum(part.lengths) for part in written.values()))
            self.notes.append(
                f"{len(self._lost)} listed files ({share:.2%}) are missing or unreadable, as "
                f"{min(self._lost)}. This set lists some that its archives lack; many mean that the copy is "
                "not whole"
            )

    def _sweep(self) -> None:
        """Removes what a killed build left beside this one. `build_once` holds the lock, so none is alive."""
        for leftover in self.data_path.parent.glob("incomplete.*"):
            if leftover.name != self.data_path.name:
                leftover.rmtree()

    def _folder(self) -> Path:
        if self._manual_dir is None:
            raise UserError(
                f"{self.name} is licensed: download it yourself and name the folder that holds "
                f"{self.MANUAL_DOWNLOAD_INSTRUCTIONS} with --manual_dir"
            )
        folder = user_path(self._manual_dir)
        if folder.is_file() and folder.name.lower().endswith(ARCHIVES):
            raise UserError(f"--manual_dir={folder} is an archive: unpack it and name the folder")
        if not folder.is_dir():
            raise UserError(f"--manual_dir={folder} is not a folder; name the folder that holds the files")
        return folder

    def files_of(self, split: str) -> tfds.core.ShardedFileTemplate:
        """Returns how the shards of a split are named while the set is built."""
        return template(self.name, Path(self.data_path), split)
