"""Writes each shard as a task of its own, so that any process can run any task in any order.

The list is cut where one pass would cut it, and a shard's bytes depend on its part of the list alone. So the
files are the same as those of one pass.
"""

import dataclasses
import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import tensorflow_datasets as tfds

from ferjax.data.builders import shards
from ferjax.data.builders.image_items import Item, ItemReader
from ferjax.data.builders.shards import ExampleWriter, SplitWriter, Written, shard_path
from ferjax.files import replacing

FilesOf = Callable[[str], tfds.core.ShardedFileTemplate]


@dataclasses.dataclass(frozen=True)
class Task:
    """One shard.

    Attributes:
        split: that it belongs to.
        path: its file, named as if no shard before it were empty.
        items: those that it has room for, each with its place in the list.
    """

    split: str
    path: str
    items: tuple[tuple[int, Item], ...]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The outcome of a task.

    Attributes:
        path: of the task.
        written: at most one shard.
        refused: (place in the list, reason) of the images that are missing or unreadable.
        resized: number of images that had another size than the set is distributed in.
    """

    path: str
    written: Written
    refused: list[tuple[int, str]]
    resized: int


def cut(items: Sequence[Item], files_of: FilesOf) -> list[Task]:
    """Cuts a list into tasks, as `SplitWriter` cuts it into shards.

    Args:
        items: of all splits, in the order of the source.
        files_of: a split → how its shards are named.
    """
    room = shards.SHARD_EXAMPLES
    splits: dict[str, list[tuple[int, Item]]] = defaultdict(list)
    for place, item in enumerate(items):
        splits[item.split].append((place, item))
    return [
        Task(
            split,
            os.fspath(shard_path(files_of(split), start // room)),
            tuple(members[start : start + room]),
        )
        for split, members in splits.items()
        for start in range(0, len(members), room)
    ]


@dataclasses.dataclass(frozen=True)
class ShardWriter:
    """Carries out tasks. Small, so that it can be sent to other processes.

    Attributes:
        read: an item → its example.
        serialize: an example → its record.
    """

    read: ItemReader
    serialize: ExampleWriter

    def __call__(self, task: Task) -> Outcome:
        """Reads the images of a task and writes its shard, unless none of them is readable."""
        refused, resized = [], 0
        # A task may be tried twice, even at the same time: a file gets its name when it is whole.
        with replacing(task.path) as unfinished:
            writer = SplitWriter(lambda number: unfinished, self.serialize)
            for place, item in task.items:
                read = self.read(item)
                writer.write(read.example)
                resized += read.resized
                if read.example is None:
                    refused.append((place, read.why))
            written = writer.finish()
        return Outcome(task.path, written, refused, resized)


def collect(todo: Sequence[Task], outcomes: Mapping[str, Outcome], files_of: FilesOf) -> dict[str, Written]:
    """Adds up the shards of each split, and renumbers them where empty ones left gaps."""
    splits: dict[str, Written] = defaultdict(Written)
    for task in todo:
        part, whole = outcomes[task.path].written, splits[task.split]
        if part.lengths:
            Path(task.path).rename(shard_path(files_of(task.split), len(whole.lengths)))
        whole.lengths += part.lengths
        whole.size += part.size
        whole.labels += part.labels
    return dict(splits)
