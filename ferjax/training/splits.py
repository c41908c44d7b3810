"""Opens the splits that a config names, and the batches of the training split."""

from functools import partial
from typing import Literal

import grain
import jax
from ml_collections import ConfigDict

from ferjax import data
from ferjax.config import is_pretraining
from ferjax.config.text_fields import parse_mixture
from ferjax.data.loading import label_names
from ferjax.data.mixture import load_mixture
from ferjax.data.pipeline import train_batches
from ferjax.data.sources import Source
from ferjax.errors import UserError


def load_split(
    config: ConfigDict, split: str, cache: Literal["memory", "disk", "stream"] | None = None
) -> Source:
    """Opens a split of the group `data` on the host; `cache` replaces the config's.

    Raises:
        UserError: see `ferjax.data.load`, or valence and arousal are to be learnt and the split has none.
    """
    learns_affect = "affect" in config and config.affect.head != "none"
    # The copy on the devices is made from one in memory.
    own = "memory" if config.data.cache == "device" else config.data.cache
    opened = partial(
        data.load,
        split=split,
        data_dir=config.data.dir or None,
        image_size=config.data.source_size or config.data.image_size,
        resize=config.data.resize,
        cache=cache or own,
        val_fraction=config.data.val_fraction,
        test_fraction=config.data.test_fraction,
        fold=config.data.fold,
        inner_fold=config.data.inner_fold,
        drop_leaks=config.data.drop_leaks,
        drop_validation_leaks=config.data.drop_validation_leaks,
        train_fraction=config.data.train_fraction,
        # Scores are against the one right class.
        soft_labels=config.data.soft_labels and split == "train",
        relabel=config.data.relabel,
        label_noise=config.data.label_noise,
        label_noise_seed=config.data.label_noise_seed,
        affect=learns_affect,
    )
    if config.data.mixture and split == "train":
        source = load_mixture(
            parse_mixture(config.data.mixture),
            label_names(config.data.name, config.data.dir or None),
            # Who only looks at pixels has no other group than `data`.
            labelled="pretrain" in config and not is_pretraining(config),
            opened=lambda name, channels: opened(name, channels=channels),
        )
    else:
        source = opened(config.data.name)
    if learns_affect and source.affect is None:
        raise UserError(
            f"affect.head learns valence and arousal, and {source.name} {split} has none for any example; "
            "affectnet7, affectnet8 and a folder with a CSV file that has these columns do, but not if an "
            "earlier version of ferjax built them: build those again"
        )
    return source


def indexed(config: ConfigDict) -> bool:
    """Tells whether batches hold the places of their examples in the split, as some methods need."""
    return config.loss.scn > 0 or config.loss.group_dro > 0


def train_rows(config: ConfigDict, train: Source, start_step: int = 0) -> grain.DatasetIterator:
    """Opens the endless batches of the training split for this process, see `train_batches`."""
    return train_batches(
        train,
        batch_size=config.train.batch_size,
        seed=config.train.seed,
        start_step=start_step,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
        workers=config.data.workers,
        balance=config.data.balance,
        groups=config.data.groups,
        indexed=indexed(config),
        parts=config.data.shuffle_parts,
    )
