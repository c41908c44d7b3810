"""Opens a split of a data set by name, building the set or carving the split if it is missing."""

import logging
import os
from pathlib import Path
from typing import Literal

import numpy as np

from ferjax.data import builders
from ferjax.data import relabel as relabelling
from ferjax.data.carving import subset
from ferjax.data.described import describe
from ferjax.data.disk_cache import onto_disk
from ferjax.data.label_noise import with_wrong_labels
from ferjax.data.leaks import without_leaks
from ferjax.data.memory_source import into_memory
from ferjax.data.records import Records
from ferjax.data.sources import Source, StreamSource
from ferjax.data.split_choice import Division, choose
from ferjax.errors import UserError

logger = logging.getLogger(__name__)
_logged: set[str] = set()


def load(
    name: str,
    split: str,
    data_dir: str | os.PathLike | None = None,
    *,
    image_size: int | None = None,
    channels: int | None = None,
    resize: str = "pil",
    cache: Literal["memory", "disk", "stream"] = "memory",
    val_fraction: float = 0.1,
    test_fraction: float = 0.0,
    fold: str = "",
    inner_fold: str = "",
    drop_leaks: bool = False,
    drop_validation_leaks: bool = False,
    train_fraction: float = 1.0,
    soft_labels: bool = False,
    relabel: str = "",
    label_noise: float = 0.0,
    label_noise_seed: int = 0,
    affect: bool = False,
) -> Source:
    """Opens a split of a data set.

    >>> from ferjax import data
    >>> source = data.load("fer2013", "train", image_size=64, channels=3)
    >>> source.label_names
    ('angry', 'disgust', 'fear', 'happy', 'sad', 'surprise', 'neutral')
    >>> source.take([0, 1])["image"].shape
    (2, 64, 64, 3)

    Sets that ferjax draws itself are built at first use. If a set has no validation split, one is
    carved out of train (see `ferjax.data.carving.carve`), logged once, and left out of "train".
    Which examples a split holds is kept in a file beside the set (see `ferjax.data.split_choice.choose`).

    Args:
        name: one of `ferjax.data.builders.names()`, folder/NAME, or `package.module:Builder`.
        split: "train", "validation" or "test".
        data_dir: where built sets are; $TFDS_DATA_DIR or ~/tensorflow_datasets if left out.
        image_size: height and width of the images; as stored if left out.
        channels: 1 or 3; as stored if left out.
        resize: how they are resized: "pil", "opencv" or "draft", see `ferjax.data.images.decode`.
        cache: "memory" decodes the whole split now; "disk" does so once, into a file beside the set; "stream"
            decodes what is taken. All give the same bytes.
        val_fraction: the part of train that is carved, 0 ≤ f < 1; with 0 train stays whole.
        test_fraction: the part of train that is carved for test where the set has no test split, 0 ≤ f < 1.
        fold: divides the whole set anew: "3/10", "train:3/10", "subject:NAME", "character:NAME*", see
            `ferjax.data.folds`; the official splits if empty.
        inner_fold: divides all but "test" anew: "2/5" makes the second of five parts "validation", and the
            others "train"; the splits as they are if empty.
        drop_leaks: leave out of "train" every image whose pixels also stand in validation or test.
        drop_validation_leaks: leave out of "validation" every image whose pixels also stand in test.
        train_fraction: the part of "train" that is kept, 0 < f ≤ 1, of every class alike; after all else
            was taken out of it, see `ferjax.data.carving.subset`.
        soft_labels: batches hold the annotators' votes as distributions, see `StreamSource`.
        relabel: a file whose labels replace stored ones in every split, see `ferjax.data.relabel_file`. Folds
            and carved splits stay as they are without it. Not with `soft_labels`.
        label_noise: the part of "train" that gets a wrong label, see `ferjax.data.label_noise`; drawn after
            all else was taken out of it.
        label_noise_seed: any integer; which labels, and to what.
        affect: batches hold valence and arousal where the set has them, see `Source`.

    Raises:
        UserError: unknown name, split or fold, a licensed set that is not built yet, a damaged set, a relabel
            file that does not fit it, or images that do not fit in memory.
    """
    if cache not in ("memory", "disk", "stream"):
        raise UserError(f"data cache {cache!r} is none of 'memory', 'disk' and 'stream'")
    if channels not in (None, 1, 3):
        raise UserError(f"images have 1 channel or 3, not {channels}")
    folder = built_folder(name, data_dir)
    division = Division(fold, val_fraction, test_fraction, inner_fold)
    records, indices, note = choose(name, folder, split, division)
    _log_once(note)
    if (drop_leaks and split == "train") or (drop_validation_leaks and split == "validation"):
        indices, note = without_leaks(name, folder, split, division)
        _log_once(note)
    if train_fraction != 1 and split == "train":
        before = np.arange(len(records)) if indices is None else indices
        indices = before[subset(records.index.labels[before], train_fraction)]
        _log_once(f"{len(indices)} of {len(before)} training examples of {name} are kept (train_fraction)")
    labels, replaced = None, 0
    if relabel:
        labels, replaced = _replaced(records, indices, split, relabel)
        if not replaced:  # the split is the one that it would be without the file
            labels = None
    if label_noise and split == "train":
        right = labels
        if right is None:
            right = records.index.labels if indices is None else records.index.labels[indices]
        labels = with_wrong_labels(right, len(records.label_names), label_noise, label_noise_seed)
        _log_once(
            f"{(labels != right).sum():,} of {len(right):,} training labels of {name} are made wrong "
            f"(label_noise={label_noise:g}, seed {label_noise_seed})"
        )
    stream = StreamSource(
        records,
        indices=indices,
        split=split,
        image_size=image_size,
        channels=channels,
        resize=resize,
        soft_labels=soft_labels,
        labels=labels,
        affect=affect,
        replaced=replaced,
    )
    if cache == "memory":
        return into_memory(stream)
    return onto_disk(stream, folder) if cache == "disk" else stream


def _replaced(records: Records, indices: np.ndarray | None, split: str, path: str) -> tuple[np.ndarray, int]:
    """Returns the labels of a split with those of a relabel file, and how many are others than stored."""
    file = relabelling.opened(path)
    taken = np.arange(len(records)) if indices is None else indices
    labels = relabelling.relabelled(records, file)[taken]
    count = int((labels != records.index.labels[taken]).sum())
    _log_once(
        f"{count:,} of {len(labels):,} {split} labels of {records.name} are replaced by those of {file.path} "
        f"({len(file.rows):,} rows, SHA-256 {file.digest[:12]}…)"
    )
    return labels, count


def label_names(name: str, data_dir: str | os.PathLike | None = None) -> tuple[str, ...]:
    """Returns the class of each label of a data set.

    Raises:
        UserError: see `load`.
    """
    return tuple(describe(name, built_folder(name, data_dir)).features["label"].names)


def built_folder(name: str, data_dir: str | os.PathLike | None) -> Path:
    """Returns the folder of a built set; builds it if ferjax draws it itself.

    Raises:
        UserError: unknown name, or a licensed set that is not built yet.
    """
    folder = builders.folder(name, data_dir)
    if not folder.exists():
        root = builders.data_root(data_dir)
        builder = builders.builder_class(name)
        if builders.is_licensed(builder):
            layout, *others = builder.MANUAL_DOWNLOAD_INSTRUCTIONS.split(", or ")
            others = " (other layouts: docs/data_sets.md)" if others else ""
            raise UserError(
                f"{name} is not built in {root}. It is licensed: download it yourself into a folder that "
                f"holds {layout}{others}; then run "
                f"python -m ferjax prepare {name} --manual_dir=FOLDER --data_dir={root}"
            )
        builders.build(builders.create(name, data_dir))
    return folder


def _log_once(note: str) -> None:
    if note and note not in _logged:
        _logged.add(note)
        logger.info(note)
