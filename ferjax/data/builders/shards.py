"""Writes the shards of a built set: ArrayRecord files of 4,096 examples in the order of the source."""

import dataclasses
import os
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds
from array_record.python.array_record_module import ArrayRecordWriter
from etils import epath
from tensorflow_datasets.core.example_serializer import ExampleSerializer

# Examples that a shard has room for. Those that are missing or unreadable take their room too, so that the
# list alone decides where the cuts are, and each shard can be written without the others.
SHARD_EXAMPLES = 4096


@dataclasses.dataclass
class Written:
    """The size of the written part of a split.

    Attributes:
        lengths: records of each shard, none of them empty.
        size: of all records, bytes.
        labels: images of each label, by name or number as the builder gave them.
    """

    lengths: list[int] = dataclasses.field(default_factory=list)
    size: int = 0
    labels: Counter[int | str] = dataclasses.field(default_factory=Counter)


class ExampleWriter:
    """Turns examples into bytes: the same for the same example in every process.

    Args:
        features: of the set. Their class names must be known.
    """

    def __init__(self, features: tfds.features.FeaturesDict) -> None:
        self._features = features
        specs: Any = features.get_serialized_info()
        self._serializer = ExampleSerializer(specs)

    def __call__(self, example: Mapping[str, Any]) -> bytes:
        """Serializes one example as a `tf.train.Example`."""
        encoded = self._features.encode_example(example)
        # A tf.train.Example holds its features in a map, which protobuf otherwise writes in any order.
        return self._serializer.get_tf_example(encoded).SerializeToString(deterministic=True)


class SplitWriter:
    """Writes examples in order, a new shard after every `SHARD_EXAMPLES`.

    Args:
        path_of: the number of a shard, from 0 → its file.
        serialize: an example → its record.
    """

    def __init__(self, path_of: Callable[[int], Path], serialize: Callable[[Mapping], bytes]) -> None:
        self._path_of = path_of
        self._serialize = serialize
        self._written = Written()
        self._listed = 0
        self._writer: ArrayRecordWriter | None = None

    def write(self, example: Mapping[str, Any] | None) -> None:
        """Writes an example; None stands for one that is listed and missing or unreadable."""
        if self._listed % SHARD_EXAMPLES == 0:
            self._close()
        self._listed += 1
        if example is None:
            return
        record = self._serialize(example)
        writer = self._writer or self._open()
        writer.write(record)
        self._written.lengths[-1] += 1
        self._written.size += len(record)
        self._written.labels[example["label"]] += 1

    def finish(self) -> Written:
        """Ends the last shard. This is where a full disk shows: the writer buffers."""
        self._close()
        return self._written

    def _open(self) -> ArrayRecordWriter:
        path = self._path_of(len(self._written.lengths))
        # One record a group: records are read one by one, in any order.
        self._writer = ArrayRecordWriter(os.fspath(path), "group_size:1")
        self._written.lengths.append(0)
        return self._writer

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def template(name: str, folder: Path, split: str) -> tfds.core.ShardedFileTemplate:
    """Returns how the shards of a split are named. Their number is not known while the first is written."""
    return tfds.core.ShardedFileTemplate(
        dataset_name=name,
        data_dir=epath.Path(folder),
        split=split,
        filetype_suffix="array_record",
        template="{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_INDEX}",
    )


def shard_path(files: tfds.core.ShardedFileTemplate, number: int) -> Path:
    """Returns the file of a shard."""
    return Path(files.sharded_filepath(shard_index=number, num_shards=None))
