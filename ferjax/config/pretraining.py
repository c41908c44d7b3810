"""Pre-training without labels: whether a config asks for it, and what then has no meaning."""

from ml_collections import ConfigDict

from ferjax.config.schema import FIELDS
from ferjax.errors import UserError

# Fields about classes or labels, which keep their defaults where labels are not looked at.
_ABOUT_LABELS = (
    "augment.mixup", "augment.cutmix", "data.balance", "data.groups", "data.label_noise", "data.relabel",
    "data.soft_labels", "loss.name", "loss.class_weights", "loss.label_smoothing", "loss.focal_gamma",
    "loss.eac", "loss.group_dro", "loss.scn", "loss.rul", "affect.head", "distill.from", "eval.crops",
    "eval.also_best_on_test",
)  # fmt: skip
# Fields of the group `augment` that change no image by themselves.
_OF_OTHERS = ("randaugment_magnitude", "mixup", "cutmix")


def is_pretraining(config: ConfigDict) -> bool:
    """Tells whether a config trains a network without labels, which then has no classes."""
    return config.pretrain.method != "none"


def needs_classes(config: ConfigDict, verb: str) -> None:
    """Refuses a config of pre-training where a verb compares scores of classes.

    Raises:
        UserError: the config pre-trains.
    """
    if is_pretraining(config):
        raise UserError(
            f"{verb} needs scores of classes, and pretrain.method={config.pretrain.method} trains without "
            "labels: train it with python -m ferjax train, then fine-tune from its workdir with init.from"
        )


def check(config: ConfigDict) -> None:
    """Checks that a config of pre-training leaves at its default all that is about labels.

    Raises:
        UserError: the first field that does not.
    """
    if not is_pretraining(config):
        return
    if config.pretrain.method == "simclr":
        _check_views(config)
    defaults = {field.name: field.default for field in FIELDS}
    for name in _ABOUT_LABELS:
        group, _, field = name.partition(".")
        if config[group][field] != defaults[name]:
            raise UserError(
                f"pretrain.method={config.pretrain.method} trains without labels, and {name} is about them: "
                f"leave it at {defaults[name]!r}"
            )


def _check_views(config: ConfigDict) -> None:
    """Checks what contrastive learning needs.

    Raises:
        UserError: the views of an image would be the same, or a batch is computed in parts.
    """
    if not config.data.source_size and not any(
        value for name, value in config.augment.items() if name not in _OF_OTHERS
    ):
        raise UserError(
            "pretrain.method=simclr learns from two views of each image, and they would be the same: set "
            "fields of the group augment, such as augment.random_crop=0.4, or data.source_size"
        )
    if config.train.accumulate_steps > 1:
        raise UserError(
            "pretrain.method=simclr tells the images of a batch from each other, and "
            f"train.accumulate_steps={config.train.accumulate_steps} computes it in parts: set it to 1"
        )
