"""ConvNeXt's and EmoNeXt's names in PyTorch: the authors'. Files of timm and torchvision are read too."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ferjax.interop.name_tables import (
    BATCH_NORM,
    CONV,
    LAYER_NORM,
    LINEAR,
    Fitted,
    Network,
    Row,
    renamed,
    vector,
)
from ferjax.models.convnext import BLOCKS

_GAMMA = (vector("gamma", "gamma"),)
_TIMM = (
    (r"stem\.", "downsample_layers.0."),
    (r"stages\.(\d)\.downsample\.", r"downsample_layers.\1."),
    (r"stages\.(\d)\.blocks\.", r"stages.\1."),
    (r"conv_dw\.", "dwconv."),
    (r"mlp\.fc([12])\.", r"pwconv\1."),
    (r"head\.norm\.", "norm."),
    (r"head\.fc\.", "head."),
)
_TORCHVISION = (
    *((rf"features\.{2 * stage}\.", f"downsample_layers.{stage}.") for stage in range(4)),
    *((rf"features\.{2 * stage + 1}\.", f"stages.{stage}.") for stage in range(4)),
    (r"layer_scale$", "gamma"),
    (r"block\.0\.", "dwconv."),
    (r"block\.2\.", "norm."),
    (r"block\.3\.", "pwconv1."),
    (r"block\.5\.", "pwconv2."),
    (r"classifier\.0\.", "norm."),
    (r"classifier\.2\.", "head."),
)


def _timm(entries: Mapping[str, Any]) -> Fitted | None:
    if not any(name.endswith("stages.0.blocks.0.conv_dw.weight") for name in entries):
        return None
    return Fitted(renamed(entries, _TIMM), ())


def _torchvision(entries: Mapping[str, Any]) -> Fitted | None:
    if not any(name.endswith("features.1.0.layer_scale") for name in entries):
        return None
    read = renamed(entries, _TORCHVISION)
    for name, value in read.items():
        if name.endswith("gamma") and np.ndim(value) == 3:  # it has axes for rows and columns
            read[name] = value.reshape(-1)
    return Fitted(read, ())


def _rows(emonext: bool) -> Iterator[Row]:
    if emonext:
        for layer in (1, 2):
            yield Row(f"localization.{4 * layer - 4}", f"stn/conv{layer}", CONV)
            yield Row(f"localization.{4 * layer - 3}", f"stn/bn{layer}", BATCH_NORM)
        yield Row("fc_loc.0", "stn/fc1", LINEAR)
        yield Row("fc_loc.2", "stn/fc2", LINEAR)
    for stage in range(len(BLOCKS)):
        torch, flax = f"downsample_layers.{stage}", f"downsample_layers_{stage}"
        layers = [("conv", CONV), ("norm", LAYER_NORM)]
        for number, (name, kind) in enumerate(reversed(layers) if stage else layers):
            yield Row(f"{torch}.{number}", f"{flax}_{name}", kind)
        if stage and emonext:
            yield Row(f"{torch}.2.fc.0", f"{flax}_se/fc1", LINEAR)
            yield Row(f"{torch}.2.fc.2", f"{flax}_se/fc2", LINEAR)
    for torch, flax in _BLOCKS:
        yield Row(torch, flax, _GAMMA)
        yield Row(f"{torch}.dwconv", f"{flax}/dwconv", CONV)
        yield Row(f"{torch}.norm", f"{flax}/norm", LAYER_NORM)
        yield Row(f"{torch}.pwconv1", f"{flax}/pwconv1", LINEAR)
        yield Row(f"{torch}.pwconv2", f"{flax}/pwconv2", LINEAR)
    yield Row("norm", "norm", LAYER_NORM)
    if emonext:
        yield Row("attention.norm", "attention/norm", LAYER_NORM)
        for name in ("query", "key", "value"):
            yield Row(f"attention.{name}", f"attention/{name}", LINEAR)
    yield Row("head", "head", LINEAR)


_BLOCKS = [
    (f"stages.{stage}.{block}", f"stages_{stage}_{block}")
    for stage, blocks in enumerate(BLOCKS)
    for block in range(blocks)
]


def _network(emonext: bool) -> Network:
    return Network(
        rows=tuple(_rows(emonext)),
        head="head",
        image_size=64,
        counterpart=f"ferjax.interop.torch_models.convnext:{'EmoNeXt' if emonext else 'ConvNeXt'}",
        blocks=tuple(_BLOCKS),
        dialects=(_timm, _torchvision),
    )


NETWORKS = {"convnext_tiny": _network(emonext=False), "emonext_tiny": _network(emonext=True)}
