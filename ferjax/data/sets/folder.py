"""`folder`: a set of the user's own, as folders of images or as a CSV file of paths and labels."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import tensorflow_datasets as tfds

from ferjax.data import relabel_file
from ferjax.data.attributes import FEATURE, Values, asked, encode
from ferjax.data.builders.affect_values import FEATURES, UNKNOWN, affect_value
from ferjax.data.builders.image_files import SUFFIXES, image_paths, subfolders
from ferjax.data.builders.image_items import Item
from ferjax.data.builders.image_sets import ImageSetBuilder
from ferjax.data.builders.known_layouts import known_layout
from ferjax.data.builders.list_columns import columns_of, notes_on, split_of
from ferjax.data.builders.reconciled import left_out, pictures, shown, why_unread
from ferjax.data.builders.relabelled_items import with_labels_of
from ferjax.data.builders.text_files import header, listed_path
from ferjax.data.derived_names import FER2013_NAME
from ferjax.data.labels import SPACES, WORDS, check_names
from ferjax.errors import UserError, listed
from ferjax.files import inside
from ferjax.registry import data_set

LEFT_OUT = "none"
MOST_CLASSES = 1000
# Folders of these names hold images or labels of every class.
NO_CLASSES = ("images", "image", "imgs", "img", "labels", "label", "annotations", "annotation", "pictures",
              "data", "dataset", "train", "training", "validation", "val", "test", "testing")  # fmt: skip


@data_set("folder")
class Folder(ImageSetBuilder, skip_registration=True):
    """TFDS builder of any folder of images: RGB, any size. `group` is the person that a CSV file names."""

    name = "folder"
    VERSION = tfds.core.Version("1.0.0")
    DESCRIPTION = "A folder of the user's own images."
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "the folders SPLIT/CLASS/ or CLASS/ with images (SPLIT is train, validation or test), "
        "or one CSV file with the columns path,label and, if you like, split, subject, valence, arousal and "
        "others"
    )
    LABELS: ClassVar[tuple[str, ...]] = ()
    GROUPED = True
    EXTRAS: ClassVar[dict[str, Any]] = {**FEATURES, FEATURE: tfds.features.Text()}
    OPTIONS: ClassVar[dict[str, tuple[str, str]]] = {
        "space": (
            "auto",
            "fer7 or fer8 (auto: fer8 where contempt occurs), or own to keep the names as the classes",
        ),
        "labels": ("", f"NAME=CLASS,… for names that are no words for a class; CLASS may be {LEFT_OUT}"),
        "relabel": ("", "a relabel file whose labels replace those of the images that it names"),
        "attributes": ("", "COLUMN,… of the CSV file that describe people or pictures, such as gender"),
    }

    @classmethod
    def with_config(cls, name: str) -> type["Folder"]:
        """Returns the builder of `folder/NAME`: several folders, each a set of its own."""
        configs = [tfds.core.BuilderConfig(name=name, description=cls.DESCRIPTION)]
        return type(cls)("Folder", (cls,), {"BUILDER_CONFIGS": configs}, skip_registration=True)

    def items(self, folder: Path) -> Iterator[Item]:
        """Yields what the one CSV file lists, or else what the folders hold; notes what is left out."""
        if not self.options["relabel"]:
            return self._found(folder)
        file = relabel_file.read(self.options["relabel"])
        label: Any = self.features["label"]
        found = self._found(folder, but=file.path)
        return with_labels_of(file, folder, found, lambda: label.names, self.notes.append)

    def _found(self, folder: Path, but: Path | None = None) -> Iterator[Item]:
        """Yields what the folder holds; the list `but` is none of its own."""
        lists = [
            path
            for path in sorted(folder.iterdir())
            if path.suffix.lower() == ".csv"
            and path.is_file()
            and not path.name.startswith(".")
            and not (but and but.samefile(path))
        ]
        own_list = len(lists) == 1 and {"path", "label"} <= set(header(inside(folder, lists[0])))
        if lists and not own_list and (layout := known_layout(folder, self.name)):
            raise UserError(f"{folder}: {layout}")
        if len(lists) > 1:
            raise UserError(
                f"{folder} holds {len(lists)} CSV files ({lists[0].name}, {lists[1].name} …); leave one"
            )
        if lists:
            return self._from_list(folder, inside(folder, lists[0]))
        if self.options["attributes"]:
            raise UserError(
                f"option attributes names columns of a CSV file, and {folder} holds folders of images: list "
                "them in a CSV file path,label with these columns"
            )
        places = subfolders(folder, folder)
        splits = [path for path in places if split_of(path.name)]
        divided = [path for path in splits if _has_class_folders(folder, path)]
        # A class may be called "valid", so that a folder's name alone does not make it a split.
        if splits and (divided or len(splits) == len(places)):
            return self._from_folders(folder, splits)
        if not _has_class_folders(folder, folder):
            layout = known_layout(folder, self.name)
            if layout:
                raise UserError(f"{folder}: {layout}")
            raise self._misplaced(folder) or self.missing(folder)
        return self._from_folders(folder, [folder])

    def _from_folders(self, folder: Path, places: list[Path]) -> Iterator[Item]:
        class_folders = [(place, path) for place in places for path in subfolders(folder, place)]
        # A known set may lie in folders of classes: then it is as good as any other.
        named = any(path.name.strip().lower() in WORDS for _, path in class_folders)
        if not named and (layout := known_layout(folder, self.name)):
            raise UserError(f"{folder}: {layout}")
        classes = self._classes({path.name for _, path in class_folders})
        stored, of_fer2013 = set(), 0
        for place, class_folder in class_folders:
            if label := classes[class_folder.name]:
                for path in image_paths(folder, class_folder):
                    stored.add(os.path.realpath(path))
                    of_fer2013 += bool(FER2013_NAME.match(path.name))
                    split = "train" if place == folder else str(split_of(place.name))
                    extras = {**UNKNOWN, FEATURE: encode({})}
                    yield Item(split, path, label, path.relative_to(folder).as_posix(), extras=extras)
        depth = 1 if places == [folder] else 2
        split_folders = {place.name for place in places}

        def why(path: PurePosixPath) -> str:
            above = path.parts[:-1]
            if any(part.startswith((".", "__")) for part in path.parts):
                return "hidden, or in a hidden folder"
            if depth == 2 and above and above[0] not in split_folders:
                return f"in {shown(above[0])}/, which is no split"
            if len(above) < depth:
                return (
                    f"loose in {shown('/'.join(above)) + '/' if above else 'the folder'}, in no class folder"
                )
            if len(above) > depth:
                return "deeper than their class folder"
            return (
                why_unread(path)
                if classes[above[-1]]
                else f"of {shown(above[-1])}, which {LEFT_OUT} leaves out"
            )

        self.left_out = left_out(folder, stored, why)
        self.notes += self.left_out
        if of_fer2013:
            self.notes.append(
                f"{of_fer2013} images are named as FER2013's are, whose names tell its official split; here "
                "the folders divide them. `prepare fer2013` reads the names, and leaves out made-up images"
            )
        if not stored and (any(classes.values()) or not classes) and (error := self._misplaced(folder)):
            raise error

    def _misplaced(self, folder: Path) -> UserError | None:
        """Returns the error for images that all lie where none is looked for; None if there is no image."""
        names = list(map(PurePosixPath, pictures(folder)))
        if not names:
            return None
        readable = [name for name in names if name.suffix.lower() in SUFFIXES] or names
        depth, example = len(readable[0].parts), shown(str(readable[0]))
        what = f"no {self.name} in {folder}: of its {len(names)} images, as {example}, "
        if not any(name.suffix.lower() in SUFFIXES for name in names):
            formats = listed(sorted({name.suffix.lower() or "no suffix" for name in names}))
            return UserError(
                f"{what}none is of a format that is read ({formats}): convert them to PNG or JPEG"
            )
        what += "none lies in SPLIT/CLASS/ or CLASS/"
        tops = {name.parts[0] for name in readable if len(name.parts) > 1}
        if len(tops) == 1 and depth > 2:
            top = folder / tops.pop()
            if any(split_of(path.name) or path.name.lower() in WORDS for path in subfolders(folder, top)):
                return UserError(f"{what}: they lie one level deeper; name {shown(str(top))} instead")
        if depth > 2:
            return UserError(f"{what}: they lie one level deeper, or more; move them into the class folders")
        return UserError(
            f"{what}: sort them into folders named after their classes, or list them in a CSV file path,label"
        )

    def _from_list(self, folder: Path, path: Path) -> Iterator[Item]:
        needed = ("path", "label")
        # Once for the names, which must all be known before the first example is written.
        columns = columns_of(path, needed)
        attributes, values = asked(self.options["attributes"], header(path), path.name), Values(path.name)
        classes = self._classes(columns.labels)
        stored: set[str] = set()
        torn: dict[str, set[str]] = {}
        repeated = unwanted = 0
        for number, row in self.rows(path, needed):
            where = f"{path} line {number}"
            split = split_of(row[columns.split]) if columns.split else "train"
            if split is None:
                self.reject(where, f"split {row[columns.split][:20]!r} is not train, validation or test")
                continue
            if not row["path"] or not row["label"]:
                self.reject(where, "no path or no label")
                continue
            try:
                pair = {name: affect_value(row.get(name, "")) for name in FEATURES}
            except ValueError as error:
                self.reject(where, f"valence or arousal {error}")
                continue
            try:
                file = inside(folder, listed_path(folder, row["path"]))
            except ValueError as error:
                self.reject(where, error)
                continue
            real = os.path.realpath(file)
            label = classes[row["label"]]
            repeated += real in stored
            unwanted += label is None
            stored.add(real)
            if label:
                person = row[columns.person] if columns.person else ""
                torn.setdefault(person, set()).add(split)
                yield Item(
                    split,
                    file,
                    label,
                    f"{path.name}:{number} {row['path']}",
                    group=person,
                    where=f"{where}: {row['path'][:150]}",
                    extras={**pair, FEATURE: encode(values.of(row, attributes))},
                )
        self.notes += notes_on(path, columns.without(attributes), torn)
        if repeated:
            self.notes.append(f"{repeated} lines of {path.name} name an image that a line before names, too")
        if unwanted:
            self.notes.append(f"left out: {unwanted} lines of {path.name} whose label {LEFT_OUT} leaves out")
        unlisted = f"that {path.name} does not list"
        self.left_out = left_out(folder, stored, lambda name: unlisted)
        self.notes += self.left_out

    def _classes(self, names: Iterable[str]) -> dict[str, str | None]:
        """Maps the user's names to classes (None: left out) and sets the classes of the set.

        Raises:
            UserError: names without a class, which the message lists, or an option that is not valid.
        """
        names, space = set(names), self.options["space"]
        if space not in ("auto", "own", *SPACES):
            raise UserError(f"option space={space}: it takes auto, own, {', '.join(SPACES)}")
        if len(names) > MOST_CLASSES:
            raise UserError(
                f"{len(names)} different labels are too many for classes; the first is {min(names)[:40]!r}"
            )
        mapped = self._mapped()
        if lost := sorted(mapped.keys() - names):
            raise UserError(
                f"option labels names {listed(lost, most=3)}, but the labels are {_quoted(names, most=10)}"
            )
        if strange := sorted(name for name in names - mapped.keys() if name.lower() in NO_CLASSES):
            raise UserError(_no_class(names, strange))
        if space == "own":
            check_names(names - mapped.keys(), LEFT_OUT)
            classes = {name: mapped.get(name, name) for name in names}
        else:
            classes = {name: mapped.get(name, WORDS.get(name.strip().lower())) for name in names}
        unknown = [name for name in names if not classes[name]]
        if unknown:
            raise UserError(
                f"no class is known for the labels {_quoted(unknown, most=8)}: --option=labels=NAME=CLASS,… "
                f"maps them (CLASS may be {LEFT_OUT}), or --option=space=own keeps all names as they are"
            )
        labels = {label for label in classes.values() if label and label != LEFT_OUT}
        check_names(labels, LEFT_OUT)
        if space == "auto":
            space = "fer8" if "contempt" in labels else "fer7"
        order = SPACES.get(space) or tuple(sorted(labels))
        if strange := sorted(labels - set(order)):
            raise UserError(f"{listed(strange, most=8)} is not in {space}, which has {', '.join(order)}")
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
            mapped[name] = LEFT_OUT if label.lower() == LEFT_OUT else label
        return mapped


def _has_class_folders(folder: Path, place: Path) -> bool:
    """Tells whether a folder in `place` holds an image."""
    return any(True for path in subfolders(folder, place) for _ in image_paths(folder, path))


def _no_class(names: set[str], strange: list[str]) -> str:
    if {"images", "labels"} <= {name.lower() for name in names}:
        return (
            "the folders images/ and labels/ are the layout of YOLO, whose labels are numbers in text files; "
            "list the images in a CSV file path,label,split instead, with the classes' names"
        )
    return (
        f"the folder {strange[0]!r} is not named after a class: sort the images into folders that are, or "
        "list them in a CSV file path,label"
    )


def _quoted(names: Iterable[str], most: int) -> str:
    return listed((repr(name[:25]) for name in sorted(names)), most=most)
