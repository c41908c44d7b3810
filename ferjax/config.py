"""The configuration: every field with its default, and the checks before anything is built."""

import ast
import difflib
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ml_collections import ConfigDict

from ferjax import losses, models, optimizers, schedules
from ferjax.data import balance, folds
from ferjax.data.augment import crops
from ferjax.errors import UserError

_CHOICES = {
    "optimizer.name": optimizers.NAMES,
    "schedule.name": schedules.NAMES,
    "train.precision": ("float32", "bfloat16"),
    "data.cache": ("memory", "stream", "disk"),
    "eval.crops": tuple(crops.VIEWS),
    "data.balance": balance.NAMES,
    "loss.class_weights": losses.CLASS_WEIGHTS,
}
# What a number must be, in words and as a test, and the fields that must be so.
_RANGES: tuple[tuple[str, Callable[[float], bool], str], ...] = (
    (
        "at least 1",
        lambda value: value >= 1,
        "train.batch_size train.accumulate_steps train.log_every eval.batch_size data.image_size "
        "checkpoint.keep mesh.fsdp",
    ),
    (
        "at least 0",
        lambda value: value >= 0,
        "train.max_steps train.early_stop_patience checkpoint.every_steps data.workers data.source_size "
        "augment.mixup augment.cutmix "
        "schedule.patience schedule.warmup_epochs optimizer.weight_decay optimizer.clip_norm",
    ),
    (
        "at least 0 and below 1",
        lambda value: 0 <= value < 1,
        "loss.label_smoothing loss.effective_beta augment.translate augment.scale augment.elastic "
        "augment.random_crop optimizer.momentum optimizer.ema_decay optimizer.beta1 optimizer.beta2",
    ),
    (
        "above 0",
        lambda value: 0 < value < math.inf,
        "train.epochs eval.every_epochs schedule.learning_rate schedule.every_epochs "
        "schedule.start_divisor schedule.end_divisor optimizer.epsilon",
    ),
    (
        "above 0 and below 1",
        lambda value: 0 < value < 1,
        "data.val_fraction schedule.factor schedule.rise_fraction",
    ),
    (
        "at least 0 and at most 1",
        lambda value: 0 <= value <= 1,
        "augment.brightness augment.contrast augment.saturation augment.grey augment.erase",
    ),
    ("at least 0 and at most 0.5", lambda value: 0 <= value <= 0.5, "augment.hue"),
    ("at least 0 and at most 180", lambda value: 0 <= value <= 180, "augment.rotate"),
    ("at least 0 and at most 60", lambda value: 0 <= value <= 60, "augment.shear"),
    # JAX would cut a larger one to 32 bits.
    ("at least 0 and below 2**32", lambda value: 0 <= value < 2**32, "train.seed"),
    ("-1 or at least 1", lambda value: value == -1 or value >= 1, "mesh.data"),
)


def defaults() -> ConfigDict:
    """A complete configuration; a recipe in `configs/` changes what its paper says and adds model options."""
    return ConfigDict(
        {
            "model": {"name": "resemotenet"},
            "data": {
                "name": "toons/avataaars",
                "dir": "",  # where data sets are built; empty: $TFDS_DATA_DIR or ~/tensorflow_datasets
                "image_size": 64,  # pixels, both sides, of what the network takes
                "source_size": 0,  # pixels that images are read at, to cut crops from; 0: image_size
                "cache": "memory",  # memory or disk: decoded once, uint8; stream: decoded when read
                "workers": 0,  # processes that decode when streaming
                "val_fraction": 0.1,  # carved from train where a set has no validation split
                "fold": "",  # 3/10, subject:NAME, character:NAME: divides the whole set anew; empty: official
                "drop_leaks": False,  # leave out of train what also stands in validation or test
                "balance": "none",  # oversample: every class as often as the largest, in every epoch
            },
            "augment": {
                # Geometry: one resampling for all of them. 0 is off, here and below.
                "flip": True,  # mirrored left to right with probability one half
                "rotate": 0.0,  # largest turn each way, degrees
                "translate": 0.0,  # largest shift each way, a fraction of the image
                "scale": 0.0,  # largest relative change of the size each way
                "shear": 0.0,  # largest slant each way, degrees
                "random_crop": 0.0,  # largest part of each side that is cut off; resized back
                "elastic": 0.0,  # bound of smooth displacements, a fraction of the image
                # Tone: factors within 1 ± the value.
                "brightness": 0.0,
                "contrast": 0.0,
                "saturation": 0.0,
                "hue": 0.0,  # largest turn each way, 1 is the whole circle
                "grey": 0.0,  # probability of an image without colour
                "erase": 0.0,  # probability that a rectangle is covered
                # Two examples in one, with soft labels: α of Beta(α, α).
                "mixup": 0.0,
                "cutmix": 0.0,
            },
            "loss": {
                "class_weights": "none",  # inverse: to the class's size; effective: to its effective number
                "effective_beta": 0.999,  # effective: 0 weighs all classes alike, towards 1 as inverse does
                "label_smoothing": 0.0,
            },
            "optimizer": {
                "name": "sgd",
                "momentum": 0.9,
                "nesterov": False,
                "weight_decay": 1e-4,
                "decay_vectors": True,  # also biases and normalisation scales, as PyTorch does
                "beta1": 0.9,
                "beta2": 0.999,
                "epsilon": 1e-8,
                "clip_norm": 0.0,  # largest global gradient norm; 0: off
                "ema_decay": 0.0,  # of the averaged weights and statistics; 0: off
            },
            "schedule": {
                "name": "constant",
                "learning_rate": 1e-3,
                "warmup_epochs": 0.0,
                "factor": 0.1,  # plateau and step: what the rate is multiplied with
                "patience": 5,  # plateau: validations without a better accuracy that are borne
                "every_epochs": 10.0,  # step: epochs between two falls
                "rise_fraction": 0.3,  # onecycle: share of the steps that rise
                "start_divisor": 25.0,  # onecycle: peak / first rate
                "end_divisor": 1e4,  # onecycle: first rate / last rate
            },
            "train": {
                "batch_size": 16,  # of all devices together
                "epochs": 80.0,
                "max_steps": 0,  # ends the run earlier; 0: off
                "precision": "float32",
                "accumulate_steps": 1,  # parts that a batch is split into, one after another
                "seed": 0,
                "log_every": 20,  # steps
                "early_stop_patience": 0,  # validations without a better accuracy that are borne; 0: off
            },
            "mesh": {"data": -1, "fsdp": 1},  # devices along each axis; -1: all that are left
            "checkpoint": {
                "keep": 2,  # newest ones kept beside the best
                "every_steps": 0,  # also between validations; 0: off
            },
            "eval": {
                "batch_size": 64,
                "every_epochs": 1.0,
                "crops": "none",  # none: the centre; five or ten: their mean probability (with source_size)
            },
        }
    )


# Fields that never change a number: a run may go on with other values of these.
FREE_FIELDS = (
    "data.dir", "data.cache", "data.workers", "mesh.data", "mesh.fsdp", "checkpoint.keep",
    "checkpoint.every_steps", "train.log_every",
)  # fmt: skip


def flat(config: ConfigDict, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf as `("group.field", value)`."""
    for key, value in config.items():
        if isinstance(value, ConfigDict | dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def override(config: ConfigDict, field: str, value: Any) -> None:
    """Sets `group.field`.

    Raises:
        UserError: there is no such field (the nearest are named) or the value has another type.
    """
    fields = dict(flat(config))
    if field not in fields:
        raise UserError(unknown_field(field, fields))
    try:
        config.update_from_flattened_dict({field: value})
    except TypeError:
        wanted = type(fields[field]).__name__
        raise UserError(f"config field {field} takes a {wanted}, not {value!r}") from None


def split_argument(argument: str, default: str) -> tuple[str, dict[str, Any]]:
    """Splits what stands behind the colon of `--config=FILE:DATASET,key=value,…`.

    Args:
        argument: `DATASET`, `DATASET,key=value,…`, `key=value,…` or empty.
        default: the data set if none is named.

    Returns:
        `(dataset, {"group.field": value})`; values are Python literals or else strings.
    """
    dataset, overrides = default, {}
    for position, part in enumerate(filter(None, argument.split(","))):
        key, equals, text = part.partition("=")
        if equals:
            try:
                overrides[key.strip()] = ast.literal_eval(text)
            except (SyntaxError, ValueError):
                overrides[key.strip()] = text
        elif position == 0:
            dataset = part.strip()
        else:
            raise UserError(f"in the config argument {argument!r}, {part!r} is not key=value")
    return dataset, overrides


def validate(config: ConfigDict) -> None:
    """Checks every field against the defaults' names and types, and the values' ranges.

    Raises:
        UserError: the first field that cannot be right, and what would be.
    """
    if not isinstance(config, ConfigDict):
        raise UserError(f"a config is a ConfigDict, not a {type(config).__name__}; see ferjax.config")
    known, fields = dict(flat(defaults())), dict(flat(config))
    for field, value in fields.items():
        if field.startswith("model."):
            continue  # a network's own options, which `model_options` checks
        if field not in known:
            raise UserError(unknown_field(field, known))
        if type(value) is not type(known[field]):
            raise UserError(f"config field {field} takes a {type(known[field]).__name__}, not {value!r}")
    for field in sorted(known.keys() - fields.keys()):
        raise UserError(f"the config lacks the field {field}; start from ferjax.config.defaults()")
    for field, choices in _CHOICES.items():
        value = fields[field]
        if value not in choices:
            near = difflib.get_close_matches(str(value), choices, n=1, cutoff=0.4)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise UserError(f"config field {field} is {value!r}{hint}; it takes {', '.join(choices)}")
    for words, holds, names in _RANGES:
        for field in names.split():
            if not holds(fields[field]):
                raise UserError(f"config field {field} is {fields[field]}; it must be {words}")
    train = config.train
    if train.batch_size % train.accumulate_steps:
        raise UserError(
            f"train.batch_size {train.batch_size} is not divisible by train.accumulate_steps "
            f"{train.accumulate_steps}"
        )
    data = config.data
    if data.source_size and data.source_size <= data.image_size:
        raise UserError(
            f"data.source_size {data.source_size} must be above data.image_size {data.image_size}"
        )
    if config.eval.crops != "none" and not data.source_size:
        raise UserError(
            f"eval.crops={config.eval.crops} cuts crops: set data.source_size above data.image_size"
        )
    if data.fold:
        folds.parse(data.fold)
    if data.balance != "none" and config.loss.class_weights != "none":
        raise UserError(
            f"data.balance={data.balance} and loss.class_weights={config.loss.class_weights} both make up "
            "for rare classes: set one of them to none"
        )
    if data.workers and data.cache != "stream":
        raise UserError("data.workers decode a streamed set: set data.cache=stream or data.workers=0")
    model_options(config)


def unknown_field(field: str, known: Iterable[str]) -> str:
    """Says that a field is unknown, and which of the known ones are near."""
    near = difflib.get_close_matches(field, known, n=3, cutoff=0.4)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    return f"the config has no field {field!r}{hint}"


def model_options(config: ConfigDict) -> dict[str, Any]:
    """The group `model` without its name, checked against the network's options."""
    options = {key: value for key, value in config.model.items() if key != "name"}
    models.create(config.model.name, **options)
    return options
