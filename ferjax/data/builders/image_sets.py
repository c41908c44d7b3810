"""Base class of the builders of sets of image files: they list the files, it reads and checks them."""

import abc
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

from ferjax.data.builders.base import LicensedBuilder, RunTasks
from ferjax.data.builders.image_files import subfolders
from ferjax.data.builders.image_items import Item, ItemReader, Read
from ferjax.data.builders.known_layouts import known_layout
from ferjax.data.builders.shard_tasks import ShardWriter, collect, cut
from ferjax.data.builders.shards import ExampleWriter, Written
from ferjax.errors import UserError, listed
from ferjax.platform.progress_bar import progress, watched

# Images that are read ahead: enough for every core, few enough for the memory.
AHEAD = 64


class ImageSetBuilder(LicensedBuilder, skip_registration=True):
    """Builds a set of image files.

    Attributes:
        SIZE_AS_DISTRIBUTED: height and width of every image of the published set; others are resized and
            counted in a note. None where sizes differ.
    """

    SIZE_AS_DISTRIBUTED: ClassVar[int | None] = None

    @abc.abstractmethod
    def items(self, folder: Path) -> Iterator[Item]:
        """Yields what the set lists, in its order; `folder` exists and holds the user's files."""

    def examples(self, folder: Path) -> Iterator[tuple[str, dict[str, Any] | None]]:
        """Yields (split, example) in the order of `items`; images are read ahead by threads."""
        resized = 0
        listed = self._listed(folder) if self.survey is None else self.items(folder)
        for item, result in _ahead(listed, self._reader()):
            read = result.result()
            if read.example is None:
                self.lose(item.name, read.why)
            resized += read.resized
            yield item.split, read.example
        self._note_resized(resized)

    def write_shards(self, folder: Path, run: RunTasks) -> dict[str, Written]:
        """Writes every shard as a task of its own: the same bytes as in one pass.

        Whoever carries a task out must see the user's folder and that of the built set.

        Raises:
            UserError: an image is refused.
        """
        items = self._listed(folder)
        todo = cut(items, self.files_of)
        if not todo:
            return {}
        write = ShardWriter(self._reader(), ExampleWriter(self.features))
        with watched({task.path: len(task.items) for task in todo}, f"building {self.name}", "images"):
            outcomes = run(todo, write, Path(self.data_path))
        for place, why in sorted(refused for outcome in outcomes for refused in outcome.refused):
            self.lose(items[place].name, why)
        self._note_resized(sum(outcome.resized for outcome in outcomes))
        return collect(todo, {outcome.path: outcome for outcome in outcomes}, self.files_of)

    def _listed(self, folder: Path) -> list[Item]:
        """Lists all items before any image is read, so that the length of the work is known."""
        title = f"listing {self.name}"
        items = list(progress(title, "images", self.items(folder)))
        self.expected = len(items)
        return items

    def _reader(self) -> ItemReader:
        side, _, channels = self.IMAGE_SHAPE
        return ItemReader(side, channels, self.GROUPED, self.SIZE_AS_DISTRIBUTED)

    def _note_resized(self, count: int) -> None:
        wanted = self.SIZE_AS_DISTRIBUTED
        if count:
            self.notes.append(f"{count} images were not of {wanted}×{wanted} pixels and were resized")


def class_folders(folder: Path, place: Path, names: Mapping[str, str]) -> list[tuple[Path, str]]:
    """Returns the folders in `place`, each with the class that its name (in any case) stands for.

    Raises:
        UserError: some are not named after a class; the message lists them.
    """
    paths = subfolders(folder, place)
    unknown = [path for path in paths if path.name.lower() not in names]
    if unknown:
        if layout := known_layout(folder, ""):
            raise UserError(f"{folder}: {layout}")
        others = f" (nor are {listed((path.name for path in unknown[1:]), most=10)})" if unknown[1:] else ""
        raise UserError(f"{unknown[0]} is not named after a class{others}; expected {', '.join(names)}")
    return [(path, names[path.name.lower()]) for path in paths]


def _ahead(items: Iterable[Item], read: ItemReader) -> Iterator[tuple[Item, "Future[Read]"]]:
    """Yields every item with its image, in order."""
    waiting: deque[tuple[Item, Future[Read]]] = deque()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        try:
            for item in items:
                waiting.append((item, pool.submit(read, item)))
                if len(waiting) >= AHEAD:
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            for _, future in waiting:
                future.cancel()
