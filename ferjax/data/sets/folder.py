"""`folder`: a set of the user's own, as folders of images or as a CSV file of paths and labels."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from ferjax.data.builders.image_files import image_paths, subfolders
from ferjax.data.builders.image_items import Item
from ferjax.data.builders.image_sets import ImageSetBuilder
from ferjax.data.builders.text_files import table
from ferjax.data.labels import SPACES, WORDS
from ferjax.errors import UserError, listed
from ferjax.files import inside
from ferjax.registry import data_set

SPLITS: dict[str, str] = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
    "testing": "test",
}
LEFT_OUT = "none"
MOST_CLASSES = 1000


@data_set("folder")
class Folder(ImageSetBuilder, skip_registration=True):
    """TFDS builder of any folder of images: RGB, any size. `group` is the column `subject` of a CSV file."""

    name = "folder"
    VERSION = tfds.core.Version("1.0.0")
    DESCRIPTION = "A folder of the user's own images."
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "the folders SPLIT/CLASS/ or CLASS/ with images (SPLIT is train, validation or test), "
        "or one CSV file with the columns path,label and, if you like, split and subject"
    )
    LABELS: ClassVar[tuple[str, ...]] = ()
    GROUPED = True
    OPTIONS: ClassVar[dict[str, tuple[str, str]]] = {
        "space": (
            "auto",
            "fer7 or fer8 (auto: fer8 where contempt occurs), or own to keep the names as the classes",
        ),
        "labels": ("", f"NAME=CLASS,… for names that are no words for a class; CLASS may be {LEFT_OUT}"),
    }

    @classmethod
    def with_config(cls, name: str) -> type["Folder"]:
        """Returns the builder of `folder/NAME`: several folders, each a set of its own."""
        configs = [tfds.core.BuilderConfig(name=name, description=cls.DESCRIPTION)]
        return type(cls)("Folder", (cls,), {"BUILDER_CONFIGS": configs}, skip_registration=True)

    def items(self, folder: Path) -> Iterator[Item]:
        """Yields what the one CSV file lists, or else what the folders hold."""
        lists = [
            path for path in sorted(folder.glob("*.csv")) if path.is_file() and not path.name.startswith(".")
        ]
        if len(lists) > 1:
            raise UserError(
                f"{folder} holds {len(lists)} CSV files ({lists[0].name}, {lists[1].name} …); leave one"
            )
        if lists:
            return self._from_list(folder, inside(folder, lists[0]))
        places = subfolders(folder, folder)
        if places and all(path.name.lower() in SPLITS for path in places):
            return self._from_folders(folder, [(SPLITS[path.name.lower()], path) for path in places])
        if not any(True for place in places for _ in image_paths(folder, place)):
            raise self.missing(folder)
        return self._from_folders(folder, [("train", folder)])

    def _from_folders(self, folder: Path, places: list[tuple[str, Path]]) -> Iterator[Item]:
        class_folders = [(split, path) for split, place in places for path in subfolders(folder, place)]
        classes = self._classes({path.name for _, path in class_folders})
        for split, class_folder in class_folders:
            if label := classes[class_folder.name]:
                for path in image_paths(folder, class_folder):
                    yield Item(split, path, label, path.relative_to(folder).as_posix())

    def _from_list(self, folder: Path, path: Path) -> Iterator[Item]:
        columns = ("path", "label")
        # Once for the names, which must all be known before the first example is written.
        classes = self._classes(
            {row["label"] for _, row in table(path, columns) if not isinstance(row, ValueError)} - {""}
        )
        for number, row in self.rows(path, columns):
            where = f"{path} line {number}"
            split = SPLITS.get(row.get("split", "train").lower())
            if split is None:
                self.reject(where, f"split {row['split'][:20]!r} is not train, validation or test")
            elif not row["path"] or not row["label"]:
                self.reject(where, "no path or no label")
            elif label := classes[row["label"]]:
                yield Item(
                    split,
                    inside(folder, folder / row["path"]),
                    label,
                    f"{path.name}:{number} {row['path']}",
                    group=row.get("subject", ""),
                    where=f"{where}: {row['path']}",
                )

    def _classes(self, names: set[str]) -> dict[str, str | None]:
        """Maps the user's names to classes (None: left out) and sets the classes of the set.

        Raises:
            UserError: names without a class, which the message lists, or an option that is not valid.
        """
        space = self.options["space"]
        if space not in ("auto", "own", *SPACES):
            raise UserError(f"option space={space}: it takes auto, own, {', '.join(SPACES)}")
        if len(names) > MOST_CLASSES:
            raise UserError(
                f"{len(names)} different labels are too many for classes; the first is {min(names)[:40]!r}"
            )
        mapped = self._mapped()
        if lost := sorted(mapped.keys() - names):
            raise UserError(f"option labels names {', '.join(lost)}, but the labels are {_quoted(names)}")
        if space == "own":
            classes = {name: mapped.get(name, name) for name in names}
        else:
            classes = {name: mapped.get(name, WORDS.get(name.lower())) for name in names}
        unknown = [name for name in names if not classes[name]]
        if unknown:
            raise UserError(
                f"no class is known for the labels {_quoted(unknown)}: --option=labels=NAME=CLASS,… maps "
                f"them (CLASS may be {LEFT_OUT}), or --option=space=own keeps all names as they are"
            )
        labels = {label for label in classes.values() if label and label != LEFT_OUT}
        if space == "auto":
            space = "fer8" if "contempt" in labels else "fer7"
        order = SPACES.get(space) or tuple(sorted(labels))
        if strange := sorted(labels - set(order)):
            raise UserError(f"{', '.join(strange)} is not in {space}, which has {', '.join(order)}")
        label: Any = self.features["label"]
        label.names = list(order)
        return {name: None if label == LEFT_OUT else label for name, label in classes.items()}

    def _mapped(self) -> Mapping[str, str]:
        """Reads the option `labels`."""
        mapped = {}
        for part in filter(None, self.options["labels"].split(",")):
            name, equals, label = (text.strip() for text in part.rpartition("="))
            if not (name and equals and label):
                raise UserError(f"option labels: {part!r} is not NAME=CLASS")
            mapped[name] = label
        return mapped


def _quoted(names: Iterable[str]) -> str:
    return listed((repr(name[:40]) for name in sorted(names)), most=20)
