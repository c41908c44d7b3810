"""The vision transformers' names in PyTorch: timm's, which MAE and DINOv2 have too.

Files of timm, MAE and those fine-tuned from it, DINOv2, torchvision and CLIP's image tower are read.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ferjax.interop.name_tables import CONV, LAYER_NORM, LINEAR, Fitted, Network, Row, renamed, vector
from ferjax.layers.positions import grid_side, resampled
from ferjax.models.vit import DEEPEST

_SCALE = (vector("gamma", "gamma"),)
_TOKENS = tuple(vector(name, name) for name in ("cls_token", "reg_token", "pos_embed"))
# MAE's decoder and the heads and tokens of pre-training.
_UNUSED = r"decoder_|mask_token$|(dino|ibot)_head\.|pre_logits\.|head_dist\."

_TORCHVISION = (
    (r"class_token$", "cls_token"),
    (r"encoder\.pos_embedding$", "pos_embed"),
    (r"conv_proj\.", "patch_embed.proj."),
    (r"encoder\.layers\.encoder_layer_(\d+)\.", r"blocks.\1."),
    (r"ln_([12])\.", r"norm\1."),
    (r"self_attention\.in_proj_", "attn.qkv."),
    (r"self_attention\.out_proj\.", "attn.proj."),
    (r"mlp\.(?:0|linear_1)\.", "mlp.fc1."),
    (r"mlp\.(?:3|linear_2)\.", "mlp.fc2."),
    (r"encoder\.ln\.", "norm."),
    (r"heads\.head\.", "head."),
)
_CLIP = (
    (r"class_embedding$", "cls_token"),
    (r"positional_embedding$", "pos_embed"),
    (r"conv1\.", "patch_embed.proj."),
    (r"ln_pre\.", "norm_pre."),
    (r"ln_post\.", "norm."),
    (r"transformer\.resblocks\.(\d+)\.", r"blocks.\1."),
    (r"ln_([12])\.", r"norm\1."),
    (r"attn\.in_proj_", "attn.qkv."),
    (r"attn\.out_proj\.", "attn.proj."),
    (r"mlp\.c_fc\.", "mlp.fc1."),
    (r"mlp\.c_proj\.", "mlp.fc2."),
)


def _dinov2(entries: Mapping[str, Any]) -> Fitted | None:
    """Reads DINOv2's own name of the registers."""
    if not any(name.endswith("register_tokens") for name in entries):
        return None
    return Fitted(renamed(entries, ((r"register_tokens$", "reg_token"),)), ())


def _fine_tuned_mae(entries: Mapping[str, Any]) -> Fitted | None:
    """Reads FMAE's classifier `AU_head`, beside which MAE's `head` is never called."""
    if "AU_head.weight" not in entries:
        return None
    used = {name: value for name, value in entries.items() if not name.startswith("head.")}
    return Fitted(renamed(used, ((r"AU_head\.", "head."),)), ("the classifier is its AU_head",))


def _torchvision(entries: Mapping[str, Any]) -> Fitted | None:
    if not any(name.endswith("encoder.pos_embedding") for name in entries):
        return None
    return Fitted(renamed(entries, _TORCHVISION), ())


def _clip(entries: Mapping[str, Any]) -> Fitted | None:
    """Reads the image tower of OpenAI's CLIP, alone or beside the text's; its last projection is left out."""
    first = next((name for name in entries if name.endswith("class_embedding")), None)
    if first is None:
        return None
    tower = first.removesuffix("class_embedding")
    inside = {name.removeprefix(tower): value for name, value in entries.items() if name.startswith(tower)}
    inside.pop("proj", None)
    read = renamed(inside, _CLIP)
    for name, axes in (("cls_token", 1), ("pos_embed", 2)):
        if len(np.shape(read.get(name, ()))) == axes:  # they have no axis for the batch
            read[name] = read[name].reshape(*(1,) * (3 - axes), *np.shape(read[name]))
    told = f"it is CLIP's: {len(entries) - len(inside)} arrays outside of the image's blocks are left out"
    return Fitted(read, (told,))


def _adapt(entries: dict[str, Any], shapes: Mapping[str, tuple[int, ...]], resize: bool) -> Fitted:
    """Completes positions and the last normalisation, and resamples positions of another image size."""
    entries, told = dict(entries), []
    if (positions := _floats(entries.get("pos_embed"))) is not None:
        count = positions.shape[1]
        if count > 1 and math.isqrt(count) ** 2 == count:
            # As timm stores those of DINOv2 with registers: the class token's is added to the token.
            entries["pos_embed"] = positions = np.pad(positions, ((0, 0), (1, 0), (0, 0)))
            told.append("its positions have none for the class token, which gets 0")
        wanted = shapes.get("pos_embed", (1, count, 0))[1]
        old, new = grid_side(positions.shape[1]), grid_side(wanted)
        if resize and old and new and old != new:
            entries["pos_embed"] = resampled(positions, wanted)
            told.append(f"positions are resampled from {old}×{old} to {new}×{new} patches")
    if "fc_norm.weight" in shapes and "fc_norm.weight" not in entries and "norm.weight" in entries:
        del entries["norm.weight"]
        entries.pop("norm.bias", None)
        width = shapes["fc_norm.weight"]
        entries |= {
            "fc_norm.weight": np.ones(width, np.float32),
            "fc_norm.bias": np.zeros(width, np.float32),
        }
        told.append("fc_norm begins anew: the file's norm is of all tokens, which model.pool=token reads")
    return Fitted(entries, tuple(told))


def _floats(value: Any) -> np.ndarray | None:
    """Returns an array `[1, T, C]` in NumPy; None for anything else."""
    if len(np.shape(value) if hasattr(value, "shape") else ()) != 3:
        return None
    try:
        array = np.asarray(value)
    except (TypeError, RuntimeError):  # bfloat16, or on another device: refused later, by its name
        return None
    return array if np.issubdtype(array.dtype, np.floating) else None


def _rows(depth: int) -> Iterator[Row]:
    yield Row("", "", _TOKENS)
    yield Row("patch_embed.proj", "patch_embed/proj", CONV)
    yield Row("norm_pre", "norm_pre", LAYER_NORM, optional=True)
    for block in range(DEEPEST):
        yield from block_rows(f"blocks.{block}", f"blocks_{block}", optional=block >= depth)
    yield Row("norm", "norm", LAYER_NORM, optional=True)
    yield Row("fc_norm", "fc_norm", LAYER_NORM, optional=True)
    yield Row("head", "head", LINEAR)


def block_rows(torch: str, flax: str, optional: bool = False) -> Iterator[Row]:
    """Yields the rows of a block.

    Args:
        torch: its name in PyTorch.
        flax: its path.
        optional: whether the network has it only with some of its options.
    """
    yield Row(f"{torch}.norm1", f"{flax}/norm1", LAYER_NORM, optional)
    yield Row(f"{torch}.attn.qkv", f"{flax}/attn/qkv", LINEAR, optional)
    yield Row(f"{torch}.attn.proj", f"{flax}/attn/proj", LINEAR, optional)
    yield Row(f"{torch}.ls1", f"{flax}/ls1", _SCALE, optional=True)
    yield Row(f"{torch}.norm2", f"{flax}/norm2", LAYER_NORM, optional)
    yield Row(f"{torch}.mlp.fc1", f"{flax}/mlp/fc1", LINEAR, optional)
    yield Row(f"{torch}.mlp.fc2", f"{flax}/mlp/fc2", LINEAR, optional)
    yield Row(f"{torch}.ls2", f"{flax}/ls2", _SCALE, optional=True)


def _network(name: str, depth: int, image_size: int) -> Network:
    blocks = [(f"blocks.{block}", f"blocks_{block}") for block in range(depth)]
    return Network(
        rows=tuple(_rows(depth)),
        head="head",
        image_size=image_size,
        counterpart=f"ferjax.interop.torch_models.vit:{name}",
        blocks=(*blocks, *((f"{torch}.attn", f"{flax}/attn") for torch, flax in blocks)),
        dialects=(_dinov2, _fine_tuned_mae, _torchvision, _clip),
        unused=_UNUSED,
        adapt=_adapt,
    )


NETWORKS = {
    "vit_s16": _network("vit_s16", depth=12, image_size=224),
    "vit_b16": _network("vit_b16", depth=12, image_size=224),
    "vit_tiny48": _network("vit_tiny48", depth=9, image_size=48),
}
