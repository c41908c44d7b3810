"""torchvision's networks, also where its compiled operators cannot be loaded beside a PyTorch for CPUs."""

import contextlib
import importlib
from collections.abc import Iterator
from functools import partial
from types import ModuleType

import torch
from torch import nn

_SCHEMAS = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def torchvision_models() -> ModuleType:
    """Imports the module `torchvision.models`.

    torchvision registers shapes for two operators when it is imported, which fails where its binary does not
    fit the PyTorch build, as that of PyPI does not fit a PyTorch for CPUs. No network here calls the two:
    they are declared while torchvision is imported.
    """
    try:
        return importlib.import_module("torchvision.models")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    with _declared_operators():
        return importlib.import_module("torchvision.models")


@contextlib.contextmanager
def _declared_operators() -> Iterator[None]:
    library = torch.library.Library("torchvision", "DEF")
    for name, schema in _SCHEMAS.items():
        library.define(f"{name}{schema}")
    yield
    del library  # an operator lives as long as the object that declares it


def resnet18(num_classes: int = 7, zero_init_residual: bool = False) -> nn.Module:
    """Builds torchvision's ResNet-18 with its initial weights."""
    return torchvision_models().resnet18(num_classes=num_classes, zero_init_residual=zero_init_residual)


def resnet34(num_classes: int = 7, zero_init_residual: bool = False) -> nn.Module:
    """Builds torchvision's ResNet-34 with its initial weights."""
    return torchvision_models().resnet34(num_classes=num_classes, zero_init_residual=zero_init_residual)


def resnet50(num_classes: int = 7, zero_init_residual: bool = False) -> nn.Module:
    """Builds torchvision's ResNet-50 with its initial weights."""
    return torchvision_models().resnet50(num_classes=num_classes, zero_init_residual=zero_init_residual)


def _vgg(
    name: str,
    num_classes: int = 7,
    width: int = 64,
    pooled: int = 7,
    hidden: int = 4096,
    dropout: float = 0.5,
) -> nn.Module:
    """Builds torchvision's VGG of this name, changed by the options of `ferjax.models.vgg.VGG`."""
    models = torchvision_models()
    net = getattr(models, name)(num_classes=num_classes, dropout=dropout)
    if width != 64:
        letter = {"vgg16": "D", "vgg19": "E"}[name.removesuffix("_bn")]
        channels = [entry if entry == "M" else entry * width // 64 for entry in models.vgg.cfgs[letter]]
        net.features = models.vgg.make_layers(channels, batch_norm=name.endswith("_bn"))
    if (width, pooled, hidden) != (64, 7, 4096):
        net.avgpool = nn.AdaptiveAvgPool2d(pooled)
        net.classifier[0] = nn.Linear(8 * width * pooled**2, hidden)
        net.classifier[3] = nn.Linear(hidden, hidden)
        net.classifier[6] = nn.Linear(hidden, num_classes)
    return net


vgg16, vgg19 = partial(_vgg, "vgg16"), partial(_vgg, "vgg19")
vgg16_bn, vgg19_bn = partial(_vgg, "vgg16_bn"), partial(_vgg, "vgg19_bn")
