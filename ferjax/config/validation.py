"""The configuration: how fields are set, and the checks before anything is built."""

import ast
import difflib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ml_collections import ConfigDict

from ferjax import models
from ferjax.augment import crops, extra
from ferjax.config.defaults import STAGE, defaults
from ferjax.data import balance, folds, resize
from ferjax.errors import UserError
from ferjax.registry import LOSSES, OPTIMIZERS, SCHEDULES
from ferjax.training import losses, remat, schedules, stages

_CHOICES = {
    "loss.name": LOSSES.names(),
    "optimizer.name": OPTIMIZERS.names(),
    "schedule.name": SCHEDULES.names(),
    "schedule.scale_rate": schedules.SCALES,
    "train.remat": remat.NAMES,
    "train.precision": ("float32", "bfloat16"),
    "data.cache": ("memory", "stream", "disk", "device"),
    "eval.crops": tuple(crops.VIEWS),
    "data.balance": balance.NAMES,
    "data.resize": resize.FILTERS,
    "loss.class_weights": losses.CLASS_WEIGHTS,
}
# What a number must be, in words and as a test, and the fields that must be so.
_RANGES: tuple[tuple[str, Callable[[float], bool], str], ...] = (
    (
        "at least 1",
        lambda value: value >= 1,
        "train.batch_size train.accumulate_steps train.steps_per_call train.log_every eval.batch_size "
        "data.image_size checkpoint.keep mesh.fsdp schedule.base_batch",
    ),
    (
        "at least 0",
        lambda value: value >= 0,
        "train.max_steps train.early_stop_patience checkpoint.every_steps data.workers data.source_size "
        "augment.mixup augment.cutmix augment.randaugment "
        "schedule.patience schedule.warmup_epochs optimizer.weight_decay optimizer.clip_norm "
        "loss.focal_gamma",
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
        "schedule.start_divisor schedule.end_divisor optimizer.epsilon optimizer.trust_coefficient",
    ),
    (
        "above 0 and below 1",
        lambda value: 0 < value < 1,
        "data.val_fraction schedule.factor schedule.rise_fraction",
    ),
    ("above 0 and at most 1", lambda value: 0 < value <= 1, "data.train_fraction"),
    (
        "at least 0 and at most 1",
        lambda value: 0 <= value <= 1,
        "augment.brightness augment.contrast augment.saturation augment.grey augment.erase",
    ),
    ("at least 0 and at most 0.5", lambda value: 0 <= value <= 0.5, "augment.hue"),
    ("at least 0 and at most 180", lambda value: 0 <= value <= 180, "augment.rotate"),
    ("at least 0 and at most 10", lambda value: 0 <= value <= 10, "augment.randaugment_magnitude"),
    ("at least 0 and at most 60", lambda value: 0 <= value <= 60, "augment.shear"),
    # JAX would cut a larger one to 32 bits.
    ("at least 0 and below 2**32", lambda value: 0 <= value < 2**32, "train.seed"),
    ("-1 or at least 1", lambda value: value == -1 or value >= 1, "mesh.data"),
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


def set_stages(config: ConfigDict, *values: Mapping[str, Any]) -> None:
    """Makes a config train in stages, one after the other.

    The fields that the stages replace, `train.epochs` and `schedule.learning_rate`, are set to 0.

    Args:
        config: is changed in place.
        *values: of each stage the fields that differ from `ferjax.config.defaults.STAGE`.
    """
    config.stages = ConfigDict()
    for number, fields in enumerate(values, start=1):
        config.stages[f"stage{number}"] = ConfigDict(STAGE)
        config.stages[f"stage{number}"].update(fields)
    config.train.epochs = 0.0
    config.schedule.learning_rate = 0.0


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
    known |= {
        f"stages.{stage}.{name}": value for stage in config.get("stages", {}) for name, value in STAGE.items()
    }
    for field, value in fields.items():
        if field.startswith("model."):
            continue  # a network's own options, which `model_options` checks
        if field not in known:
            raise UserError(unknown_field(field, known))
        if type(value) is not type(known[field]):
            raise UserError(f"config field {field} takes a {type(known[field]).__name__}, not {value!r}")
    for field in (*sorted(known.keys() - fields.keys()), *({"stages"} - set(config))):
        raise UserError(f"the config lacks the field {field}; start from ferjax.config.defaults()")
    for field, choices in _CHOICES.items():
        value = fields[field]
        if value not in choices:
            near = difflib.get_close_matches(str(value), choices, n=1, cutoff=0.4)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise UserError(f"config field {field} is {value!r}{hint}; it takes {', '.join(choices)}")
    for words, holds, names in _RANGES:
        for field in names.split():
            # With stages these are 0, which `stages.check` sees to.
            replaced = config.stages and field in ("train.epochs", "schedule.learning_rate")
            if not (replaced or holds(fields[field])):
                raise UserError(f"config field {field} is {fields[field]}; it must be {words}")
    stages.check(config)
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
    if config.eval.crops in crops.CORNERED and not data.source_size:
        raise UserError(
            f"eval.crops={config.eval.crops} cuts crops: set data.source_size above data.image_size"
        )
    losses.parse_l2(config.loss.l2)
    extra.parse(config.augment.extra)
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
