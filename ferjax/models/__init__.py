"""The registry of networks: `create(name, num_classes, **options)` and `names()`."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn

from ferjax.errors import UserError, nearest
from ferjax.models.attentional_cnn import AttentionalCNN
from ferjax.models.facenet import FaceNet
from ferjax.models.facenet2expnet import FaceNet2ExpNet, RANFaceNet2ExpNet
from ferjax.models.fer_cnn import FERCNN
from ferjax.models.ran import RAN
from ferjax.models.resemotenet import ResEmoteNet
from ferjax.models.resnet import ResNet
from ferjax.models.sdl import SDL
from ferjax.models.vgg import VGG

# A class, or a partial of one whose keywords make up the name and are no options.
_MODELS: dict[str, Callable[..., nn.Module]] = {
    "attentional_cnn": AttentionalCNN,
    "fer_cnn": FERCNN,
    "facenet": FaceNet,
    "facenet2expnet": FaceNet2ExpNet,
    "ran": RAN,
    "ran_facenet2expnet": RANFaceNet2ExpNet,
    "resemotenet": ResEmoteNet,
    "resnet18": partial(ResNet, depth=18, squeeze=False),
    "resnet34": partial(ResNet, depth=34, squeeze=False),
    "resnet50": partial(ResNet, depth=50, squeeze=False),
    "sdl": SDL,
    "se_resnet18": partial(ResNet, depth=18, squeeze=True),
    "se_resnet34": partial(ResNet, depth=34, squeeze=True),
    "se_resnet50": partial(ResNet, depth=50, squeeze=True),
    "vgg16": partial(VGG, depth=16, norm=False),
    "vgg16_bn": partial(VGG, depth=16, norm=True),
    "vgg19": partial(VGG, depth=19, norm=False),
    "vgg19_bn": partial(VGG, depth=19, norm=True),
}


def names() -> tuple[str, ...]:
    """The registered networks, sorted."""
    return tuple(sorted(_MODELS))


def create(name: str, num_classes: int = 7, **options: Any) -> nn.Module:
    """Builds a Linen module called as `module.apply(variables, images, train=False)`.

    Args:
        name: one of `names()`.
        num_classes: number of logits.
        **options: attributes of the network's class that the name does not fix, such as `dtype`.

    Returns:
        The module; images are float `[B, H, W, C]`, normalised; logits are `[B, num_classes]`.

    Raises:
        UserError: an unknown name or option; the nearest valid ones are listed.
    """
    if name not in _MODELS:
        raise UserError(f"unknown model {name!r}; the nearest are {nearest(name, names())}")
    model = _MODELS[name]
    module, fixed = (model.func, model.keywords) if isinstance(model, partial) else (model, {})
    valid = {field.name for field in dataclasses.fields(module)} - {"parent", "name", "num_classes", *fixed}
    for option in options:
        if option not in valid:
            raise UserError(f"model {name} has no option {option!r}; it has {', '.join(sorted(valid))}")
    return model(num_classes=num_classes, **options)
