"""Opens the records of a built set, reads them by index, and indexes the labels and keys of all."""

import functools
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ferjax.data import affect, attributes
from ferjax.data.array_files import read_arrays, write_arrays
from ferjax.data.described import damaged, describe
from ferjax.data.shard_readers import Shard, ShardReaders
from ferjax.data.split_index import KEYS, Index, KeyCodes, from_arrays, joined, to_arrays
from ferjax.errors import UserError
from ferjax.platform.progress_bar import progress

CHUNK = 1024


class Records:
    """The records of one split, in stored order. Safe to read from several threads.

    A pickle holds the arguments only, and opens the files again where it is read: that is what
    makes it cheap to send to a worker process.

    Args:
        name: the set's name, for messages.
        folder: the built set, as in `DATA_DIR/fer2013/1.0.0`.
        split: one of its splits, or several, one after the other: "train+test".

    Attributes:
        label_names: the class of each label.
        image_shape: (H, W, C) as stored, None where it varies.

    Raises:
        UserError: the set is damaged (`DamagedSetError`) or has no such split.
    """

    def __init__(self, name: str, folder: str | os.PathLike, split: str) -> None:
        self.name, self.folder, self.split = name, Path(folder), split
        info = describe(name, self.folder)
        parts = split.split("+")
        for part in parts:
            if part not in info.splits:
                raise UserError(f"{name} has no split {part!r}; it has {', '.join(info.splits)}")
        self.label_names: tuple[str, ...] = tuple(info.features["label"].names)
        self.image_shape: tuple[int | None, ...] = info.features["image"].shape
        self._specs = info.features.get_tensor_info()
        self._affect = affect.reader(name, self._specs, self.label_names)
        shards = [shard for part in parts for shard in info.splits[part].file_instructions]
        try:
            self._shards = ShardReaders([Shard(shard.filename, shard.take) for shard in shards])
        except RuntimeError as error:
            raise damaged(name, self.folder, error) from error
        self._starts = np.cumsum([0, *(shard.take for shard in shards)])
        self._index_path = self.folder / f"{split}.index.npz"

    def __reduce__(self) -> tuple:
        return Records, (self.name, self.folder, self.split)

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def holds_votes(self) -> bool:
        """Tells whether every example stores a distribution over the classes, the feature `votes`."""
        votes = self._specs.get("votes")
        return votes is not None and votes.shape == (len(self.label_names),)

    def read(self, indices: Sequence[int] | np.ndarray) -> list[dict[str, Any]]:
        """Reads records: feature → value, with the image still encoded (`bytes`).

        Args:
            indices: int [n], each at least 0 and less than the number of records.

        Raises:
            UserError: a shard is damaged.
        """
        indices = np.asarray(indices)
        shards = np.searchsorted(self._starts, indices, side="right") - 1
        records: list[dict[str, Any]] = [{}] * len(indices)
        try:
            for shard in np.unique(shards):
                places = np.flatnonzero(shards == shard)
                stored = self._shards.read(int(shard), (indices[places] - self._starts[shard]).tolist())
                if not all(stored):  # that is how the reader tells of a file that was cut short meanwhile
                    raise RuntimeError("a shard was cut short while it was read")
                for place, record in zip(places, stored, strict=True):
                    records[place] = self._parse(record)
        except (RuntimeError, LookupError, ValueError, TypeError, _decode_error()) as error:
            raise damaged(self.name, self.folder, error) from error
        return records

    @property
    def affect(self) -> np.ndarray | None:
        """Valence and arousal, float32 [N, 2], NaN where unknown; None if the set has none for any.

        Raises:
            UserError: a value is out of range.
        """
        if self._affect is None:
            return None
        if self.index.affect is None:  # an earlier version wrote it
            self.index = self.scan()
        values = self.index.affect
        if values is None or np.isnan(values).all():
            return None
        if len(wrong := affect.out_of_range(values)):
            raise UserError(
                f"{self.name} {self.split} stores the valence or arousal {wrong[0]:g}: values must be of "
                "-1 … 1, and NaN where they are unknown"
            )
        return values

    def _affect_of(self, record: dict[str, Any]) -> tuple[float, float]:
        assert self._affect is not None  # as the caller knows
        try:
            valence, arousal = self._affect(record)
            return float(valence), float(arousal)
        except (LookupError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise damaged(self.name, self.folder, f"a record has no valence and arousal: {error}") from error

    def parts(self) -> list["Records"]:
        """Returns the splits that this one is put together from; none if it is stored as it is."""
        names = self.split.split("+")
        return [Records(self.name, self.folder, name) for name in names] if len(names) > 1 else []

    @functools.cached_property
    def index(self) -> Index:
        """Labels, keys and digest of the split, from the file that `scan` leaves beside the shards."""
        if parts := self.parts():
            return joined([part.index for part in parts])
        index = from_arrays(read_arrays(self._index_path), len(self), len(self.label_names))
        # None if it is not written yet, or damaged: then the records are read again.
        return index or self.scan()

    def scan(self) -> Index:
        """Reads every record, even if there is an index, and keeps the index for the next time.

        Raises:
            UserError: a shard is damaged. Every record has a checksum.
        """
        if parts := self.parts():
            return joined([part.scan() for part in parts])
        labels = np.empty(len(self), np.int32)
        keys = {key: KeyCodes(len(self)) for key in KEYS if key in self._specs}
        described: dict[str, KeyCodes] = {}
        pairs = np.empty((len(self), 2), np.float32) if self._affect else None
        digest = hashlib.sha256()
        with progress(f"reading {self.name} {self.split}", "images", total=len(self)) as bar:
            for start in range(0, len(self), CHUNK):
                chunk = range(start, min(start + CHUNK, len(self)))
                for i, record in zip(chunk, self.read(chunk), strict=True):
                    if not 0 <= record["label"] < len(self.label_names):
                        raise damaged(self.name, self.folder, f"a record has the label {record['label']}")
                    labels[i] = record["label"]
                    if self._affect and pairs is not None:
                        pairs[i] = self._affect_of(record)
                    for key, codes in keys.items():
                        codes.put(i, record.get(key, ""))
                    for name, value in self._attributes(record).items():
                        described.setdefault(name, KeyCodes(len(self))).put(i, value)
                    digest.update(record["label"].to_bytes(8, "little"))
                    digest.update(len(record["image"]).to_bytes(8, "little"))
                    digest.update(record["image"])
                bar.update(len(chunk))
        index = Index(
            labels,
            digest.hexdigest(),
            {key: codes.key() for key, codes in keys.items()},
            pairs,
            {name: described[name].key() for name in sorted(described)},
        )
        write_arrays(self._index_path, **to_arrays(index))
        return index

    def _attributes(self, record: dict[str, Any]) -> dict[str, str]:
        """Returns the attributes of an example; none where the set was built without."""
        text = record.get(attributes.FEATURE, b"{}")
        try:
            return attributes.decode(text.decode())
        except (ValueError, AttributeError) as error:
            raise damaged(self.name, self.folder, error) from error

    def _parse(self, record: bytes) -> dict[str, Any]:
        """Turns a serialized tf.train.Example into feature → value; scalars and strings come bare."""
        values = {}
        for key, feature in _example_class().FromString(record).features.feature.items():
            kind = feature.WhichOneof("kind")
            stored = list(getattr(feature, kind).value) if kind else []
            spec = self._specs[key]
            if key == "image" or not spec.shape:
                values[key] = stored[0]
            else:
                shape = [-1 if size is None else size for size in spec.shape]
                values[key] = np.array(stored, spec.np_dtype).reshape(shape)
        if not isinstance(values["image"], bytes) or not isinstance(values["label"], int):
            raise ValueError("a record holds no image or no label")
        return values


@functools.cache
def _example_class() -> Any:
    from tensorflow_datasets.proto import tf_example_pb2

    generated: Any = tf_example_pb2
    return generated.Example


@functools.cache
def _decode_error() -> type[Exception]:
    from google.protobuf.message import DecodeError

    return DecodeError
