"""What the builders of licensed sets share: the user's folder in, ArrayRecord shards out.

A builder of one set is its parsing (`examples`), its features (`_info`) and what it expects to find
(`MANUAL_DOWNLOAD_INSTRUCTIONS`, `PUBLISHED`).
"""

import abc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import tensorflow_datasets as tfds
from array_record.python.array_record_module import ArrayRecordWriter
from tensorflow_datasets.core.dataset_builder import FileReaderBuilder
from tqdm import tqdm

from ferjax.errors import UserError

SHARD_BYTES = 256 * 2**20


class LicensedBuilder(FileReaderBuilder, skip_registration=True):
    """Builds a set from files that the user downloaded.

    Examples are written as they are read: in the order of the source, in one pass, with one example in
    memory at a time. (TFDS's own `GeneratorBasedBuilder` shuffles first, and past 1 GB a split it
    shuffles with TensorFlow. ferjax shuffles when it trains.) TFDS puts the finished folder in place
    with one rename, so a build that stops half-way leaves no set.

    Attributes:
        MANUAL_DOWNLOAD_INSTRUCTIONS: the files that are looked for in the user's folder.
        PUBLISHED: split → class name, or "total", → published number of examples.
        bad_rows: rows left out so far; stored in the metadata of the built set, as are the notes.
        notes: what the user should know about the copy that was read, a sentence each.
    """

    PUBLISHED: ClassVar[dict[str, dict[str, int]]] = {}

    def __init__(
        self, *, manual_dir: str | os.PathLike | None = None, skip_bad_rows: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._manual_dir = manual_dir
        self._skip_bad_rows = skip_bad_rows
        self.bad_rows = 0
        self.notes: list[str] = []

    @abc.abstractmethod
    def examples(self, folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yields (split, example) in the order of the source; `folder` exists and holds the user's files."""

    def reject(self, where: str, why: object) -> None:
        """Refuses the build because of one bad row, or counts the row where bad rows are to be skipped."""
        if not self._skip_bad_rows:
            raise UserError(f"{where}: {why}. --skip_bad_rows leaves such rows out and counts them")
        self.bad_rows += 1

    def missing(self, folder: Path) -> UserError:
        """The error for a folder without the expected files: what was looked for and what is there."""
        entries = sorted(f"{entry.name}/" if entry.is_dir() else entry.name for entry in folder.iterdir())
        found = ", ".join(entries[:10]) or "nothing"
        more = f" and {len(entries) - 10} more" if len(entries) > 10 else ""
        return UserError(
            f"no {self.name} in {folder}: looked for {self.MANUAL_DOWNLOAD_INSTRUCTIONS}; found {found}{more}"
        )

    def _download_and_prepare(self, dl_manager: object, download_config: object) -> None:
        folder = self._folder()
        self._sweep()
        serialize = self.info.features.serialize_example
        writers: dict[str, _SplitWriter] = {}
        for split, example in tqdm(
            self.examples(folder), desc=f"building {self.name}", unit=" images", mininterval=0.5
        ):
            if split not in writers:
                writers[split] = _SplitWriter(self._shards_of(split))
            writers[split].write(serialize(example))
        if "train" not in writers:
            raise UserError(f"no training example of {self.name} in {folder}")
        infos = [writers[split].finish() for split in ("train", "validation", "test") if split in writers]
        self.info.set_splits(tfds.core.SplitDict(infos))
        self.info.metadata.update(bad_rows=self.bad_rows, notes=self.notes)

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
        folder = Path(self._manual_dir).expanduser()
        if not folder.is_dir():
            raise UserError(f"--manual_dir={folder} is not a folder; name the folder that holds the files")
        return folder

    def _shards_of(self, split: str) -> tfds.core.ShardedFileTemplate:
        return tfds.core.ShardedFileTemplate(
            dataset_name=self.name,
            data_dir=self.data_path,
            split=split,
            filetype_suffix="array_record",
            # How many shards there will be is not known while the first is written.
            template="{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_INDEX}",
        )


class _SplitWriter:
    """Writes the records of one split in order, a new shard every `SHARD_BYTES`."""

    def __init__(self, template: tfds.core.ShardedFileTemplate) -> None:
        self._template = template
        self._lengths: list[int] = []
        self._total_bytes = 0
        self._shard_bytes = 0
        self._writer: ArrayRecordWriter | None = None

    def write(self, record: bytes) -> None:
        if self._writer is None or self._shard_bytes >= SHARD_BYTES:
            self._close()
            path = self._template.sharded_filepath(shard_index=len(self._lengths), num_shards=None)
            # One record a group: records are read one by one, in any order.
            self._writer = ArrayRecordWriter(os.fspath(path), "group_size:1")
            self._lengths.append(0)
            self._shard_bytes = 0
        self._writer.write(record)
        self._lengths[-1] += 1
        self._shard_bytes += len(record)
        self._total_bytes += len(record)

    def finish(self) -> tfds.core.SplitInfo:
        self._close()
        return tfds.core.SplitInfo(
            name=self._template.split,
            shard_lengths=self._lengths,
            num_bytes=self._total_bytes,
            filename_template=self._template,
        )

    def _close(self) -> None:
        # This is where a full disk shows: the writer buffers, and raises when it is closed.
        if self._writer is not None:
            self._writer.close()


def inside(folder: Path, path: Path) -> Path:
    """Returns `path` if it stays in `folder` after every link is followed.

    Raises:
        UserError: the path leads out of the folder.
    """
    if not path.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"{path} leads out of {folder}; files are read only inside that folder")
    return path
