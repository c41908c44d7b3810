"""The checks of a config before anything is built."""

from ml_collections import ConfigDict

from ferjax.config import pretraining, stages
from ferjax.config.field import Field, shown
from ferjax.config.options import check_functions, model_options
from ferjax.config.overrides import flat, unknown_field
from ferjax.config.schema import FIELDS, OPTION_GROUPS, STAGE_FIELDS
from ferjax.errors import UserError

# The choices of eval.crops that need images larger than what the network takes.
CORNERED = ("five", "ten")
# With stages these are 0, which `stages.check` sees to.
_REPLACED = ("train.epochs", "schedule.learning_rate")


def validate(config: ConfigDict) -> None:
    """Checks every field's name, type and value against the schema, and fields against each other.

    Raises:
        UserError: the first field that cannot be right, and what would be.

    >>> from ferjax.config import defaults
    >>> config = defaults()
    >>> config.train.batch_size = 0
    >>> validate(config)
    Traceback (most recent call last):
    ferjax.errors.UserError: config field train.batch_size is 0; it must be at least 1 and at most 2**20
    """
    if not isinstance(config, ConfigDict):
        raise UserError(f"a config is a ConfigDict, not a {type(config).__name__}; see ferjax.config")
    values = _typed(config)
    for name, (field, value) in values.items():
        if not (config.stages and name in _REPLACED):
            field.check(value, name)
    stages.check(config)
    pretraining.check(config)
    _check_together(config)
    check_functions(config)
    model_options(config)


def _typed(config: ConfigDict) -> dict[str, tuple[Field, object]]:
    """Returns the row and the value of every field of the schema, after a check of names and types."""
    rows = {field.name: field for field in FIELDS}
    for group in {name.partition(".")[0] for name in rows} & set(config):
        if not isinstance(config[group], ConfigDict):
            raise UserError(f"config group {group} holds fields, it cannot be {shown(config[group])}")
    for stage in config.get("stages", {}):
        rows |= {f"stages.{stage}.{name}": field for name, field in STAGE_FIELDS.items()}
    leaves, free = dict(flat(config)), ("model.", *(f"{group}." for group in OPTION_GROUPS))
    for name, value in leaves.items():
        if name not in rows and name.startswith(free):
            continue  # options, which `ferjax.config.options` checks
        if name not in rows:
            raise UserError(unknown_field(name, rows))
        if type(value) is not type(rows[name].default):
            raise UserError(f"config field {name} takes a {rows[name].type_name}, not {shown(value)}")
    for name in sorted(rows):
        if _lacks(config, name):
            raise UserError(f"the config lacks the field {name}; start from ferjax.config.defaults()")
    return {name: (field, leaves[name]) for name, field in rows.items() if name in leaves}


def _lacks(config: ConfigDict, name: str) -> bool:
    for part in name.split("."):
        if part not in config:
            return True
        config = config[part]
    return False


def _check_together(config: ConfigDict) -> None:
    """Checks fields that depend on each other."""
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
    if config.eval.crops in CORNERED and not data.source_size:
        raise UserError(
            f"eval.crops={config.eval.crops} cuts crops: set data.source_size above data.image_size"
        )
    if data.balance in ("oversample", "draw") and config.loss.class_weights != "none":
        raise UserError(
            f"data.balance={data.balance} and loss.class_weights={config.loss.class_weights} both make up "
            "for rare classes: set one of them to none"
        )
    if not config.init.freeze_statistics and not any(stage.freeze for stage in stages.stages_of(config)):
        raise UserError(
            "init.freeze_statistics=False is about layers that are frozen, and init.freeze names none: set "
            "it, or leave this field out"
        )
    if config.optimizer.name == "lars" and config.optimizer.momentum_precision != "float32":
        raise UserError("optimizer.momentum_precision is for sgd, adamw and lamb: lars keeps float32")
    if config.loss.scn:
        _check_scn(config)
    if config.affect.head != "none":
        _check_affect(config)
    if config.loss.rul:
        _check_rul(config)
    _check_groups(config)
    _check_order(config)
    if data.label_noise and data.soft_labels:
        raise UserError("data.label_noise changes classes, and data.soft_labels takes votes: leave one out")
    if data.relabel and data.soft_labels:
        raise UserError("data.relabel replaces classes, and data.soft_labels takes votes: leave one out")
    if data.workers and data.cache != "stream":
        raise UserError("data.workers decode a streamed set: set data.cache=stream or data.workers=0")


def _check_order(config: ConfigDict) -> None:
    """Checks that no two fields decide which images an epoch shows, and that those of one set have one."""
    data = config.data
    if data.mixture:
        for field, empty in (("fold", ""), ("relabel", ""), ("groups", ""), ("balance", "none")):
            if data[field] != empty:
                raise UserError(
                    f"data.mixture takes several sets by their weights, and data.{field} is about one: leave "
                    "one of them out"
                )
    if data.shuffle_parts > 1 and (data.mixture or data.balance != "none"):
        other = "data.mixture" if data.mixture else f"data.balance={data.balance}"
        raise UserError(f"data.shuffle_parts shuffles parts of one set apart: leave it at 1 or {other} out")
    if data.shuffle_parts > 1 and config.train.batch_size % data.shuffle_parts:
        raise UserError(
            f"data.shuffle_parts is {data.shuffle_parts}: it must divide train.batch_size "
            f"{config.train.batch_size}"
        )


def _check_affect(config: ConfigDict) -> None:
    """Checks what a head for valence and arousal cannot do: mix targets, or take the CCC of parts."""
    for field in ("mixup", "cutmix"):
        if config.augment[field]:
            raise UserError(f"affect.head learns values of single images: switch augment.{field} off")
    if config.affect.loss != "mse" and (config.train.accumulate_steps > 1 or config.train.batch_size < 2):
        raise UserError(
            f"affect.loss={config.affect.loss} is of a whole batch: set train.accumulate_steps to 1 and "
            "train.batch_size above 1, or affect.loss=mse"
        )


def _check_groups(config: ConfigDict) -> None:
    """Checks that groups are named where they are needed, and needed where they are named."""
    balanced = config.data.balance.endswith("_groups")
    needed_by = f"data.balance={config.data.balance}" if balanced else "loss.group_dro"
    if config.data.groups and not (balanced or config.loss.group_dro):
        raise UserError(
            "data.groups changes nothing alone: set loss.group_dro, or data.balance=oversample_groups or "
            "draw_groups"
        )
    if (balanced or config.loss.group_dro) and not config.data.groups:
        raise UserError(f"{needed_by} needs groups: set data.groups to attributes of the set, such as gender")
    if config.loss.group_dro:
        for field, value in (("mixup", config.augment.mixup), ("cutmix", config.augment.cutmix)):
            if value:
                raise UserError(f"loss.group_dro weighs images of one group each: switch augment.{field} off")
        if config.loss.rul:
            raise UserError("loss.rul takes images in pairs, and loss.group_dro by group: switch one off")
        if config.train.accumulate_steps > 1:
            raise UserError(
                "loss.group_dro weighs the groups of a whole batch: set train.accumulate_steps to 1"
            )
    elif config.loss.group_dro_adjustment:
        raise UserError("loss.group_dro_adjustment changes nothing without loss.group_dro")


def _check_scn(config: ConfigDict) -> None:
    """Checks what the self-cure method cannot do: it replaces classes, and ranks whole batches."""
    mixing = {
        "augment.mixup": config.augment.mixup,
        "augment.cutmix": config.augment.cutmix,
        "data.soft_labels": config.data.soft_labels,
    }
    for field, value in mixing.items():
        if value:
            raise UserError(f"loss.scn replaces labels that are one class each: switch {field} off")
    if config.train.accumulate_steps > 1 or config.train.batch_size < 2:
        raise UserError(
            "loss.scn ranks the examples of a whole batch: set train.accumulate_steps to 1 and "
            "train.batch_size above 1"
        )


def _check_rul(config: ConfigDict) -> None:
    """Checks what relative uncertainty learning cannot do: it needs pairs, and the logits of one head."""
    if config.loss.scn:
        raise UserError("loss.rul and loss.scn each put a head on the classifier's input: switch one off")
    if config.train.batch_size == config.train.accumulate_steps:
        raise UserError(
            "loss.rul compares images with each other: set train.batch_size above train.accumulate_steps"
        )
