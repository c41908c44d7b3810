"""POSTER++'s names in PyTorch: those of the authors' files, with layers that are never called."""

from collections.abc import Iterator

import numpy as np

from ferjax.interop.name_tables import (
    CONV,
    LAYER_NORM,
    LINEAR,
    Network,
    Row,
    idle_arrays,
    numbered,
    under,
    vector,
)
from ferjax.interop.torch_names.ir50 import idle_layers, trunk_rows
from ferjax.interop.torch_names.mobilefacenet import map_rows
from ferjax.models.poster_v2 import BLOCKS

_WINDOWS = (28, 14, 7)  # of the three cross-attentions at 112 pixels
_TOKENS = 148
_LANDMARKS = 136  # coordinates that the landmark network gives
_BIASES = (vector("relative_position_bias_table", "relative_position_bias_table"),)


def _rows() -> Iterator[Row]:
    yield from under("face_landback", map_rows())
    yield Row("VIT", "", (vector("cls_token", "cls_token"), vector("pos_embed", "pos_embed")))
    yield Row("VIT.se_block.linear1", "se1", LINEAR)
    yield Row("VIT.se_block.linear2", "se2", LINEAR)
    yield Row("VIT.head.linear", "head", LINEAR)
    for number in range(BLOCKS):
        torch, flax = f"VIT.blocks.{number}", f"blocks_{number}"
        yield Row(f"{torch}.norm1", f"{flax}/norm1", LAYER_NORM)
        yield Row(f"{torch}.attn.qkv", f"{flax}/attn/qkv", LINEAR)
        yield Row(f"{torch}.attn.proj", f"{flax}/attn/proj", LINEAR)
        yield Row(f"{torch}.norm2", f"{flax}/norm2", LAYER_NORM)
        yield Row(f"{torch}.mlp.fc1", f"{flax}/mlp/fc1", LINEAR)
        yield Row(f"{torch}.mlp.fc2", f"{flax}/mlp/fc2", LINEAR)
    yield Row("VIT.norm", "norm", LAYER_NORM)
    yield from under("ir_back", trunk_rows())
    for attention in ("attn1", "attn2", "attn3"):
        yield Row(attention, attention, _BIASES)
        yield Row(f"{attention}.qkv", f"{attention}/qkv", LINEAR)
        yield Row(f"{attention}.proj", f"{attention}/proj", LINEAR)
    yield from (Row(f"window{number}.norm", f"window{number}", LAYER_NORM) for number in (1, 2, 3))
    yield from numbered("conv", CONV, 3)
    for further in ("ffn1", "ffn2", "ffn3"):
        yield Row(further, further, (vector("gamma1", "gamma1"), vector("gamma2", "gamma2")))
        yield Row(f"{further}.mlp.fc1", f"{further}/mlp/fc1", LINEAR)
        yield Row(f"{further}.mlp.fc2", f"{further}/mlp/fc2", LINEAR)
        yield Row(f"{further}.norm", f"{further}/norm", LAYER_NORM)
    yield Row("last_face_conv", "last_face_conv", CONV)
    yield Row("embed_q.0", "embed_q_0", CONV)
    yield Row("embed_q.1", "embed_q_1", CONV)
    yield Row("embed_k.0", "embed_k", CONV)
    yield Row("embed_v.proj", "embed_v", CONV)


def _offsets(side: int) -> np.ndarray:
    """Numbers the relative positions of all pairs of places of a square window, as PyTorch's buffer does."""
    place = np.arange(side)
    along = place[:, None] - place + side - 1
    pairs = along[:, None, :, None] * (2 * side - 1) + along[None, :, None, :]
    return pairs.reshape(side * side, side * side)


def _idle(_: int) -> dict[str, np.ndarray]:
    """Makes what the authors' module has beside its 43.8 million parameters that count."""
    landmarks, vit = "face_landback.output_layer", "VIT"
    arrays = idle_arrays(
        (f"{landmarks}.conv_6_dw.conv", "weight", (512, 1, 7, 7)),
        (f"{landmarks}.conv_6_dw.bn", "norm", (512,)),
        (f"{landmarks}.linear", "weight", (_LANDMARKS, 512)),
        (f"{landmarks}.bn", "norm", (_LANDMARKS,)),
        (f"{vit}.patch_embed.proj", "biased", (768, 256, 1, 1)),
        (f"{vit}.eca_block.conv", "weight", (1, 1, 5)),
        (f"{vit}.CON1", "weight", (768, 256, 1, 1)),
        (f"{vit}.IRLinear1", "biased", (768, 1024)),
        (f"{vit}.IRLinear2", "biased", (512, 768)),
        *((f"{vit}.blocks.{number}.conv", "biased", (_TOKENS, _TOKENS, 1)) for number in range(BLOCKS)),
    )
    numbers = {
        f"attn{number}.relative_position_index": _offsets(side) for number, side in enumerate(_WINDOWS, 1)
    }
    return arrays | idle_layers("ir_back.") | numbers


NETWORKS = {
    "poster_v2": Network(
        rows=tuple(_rows()),
        head="VIT.head.linear",
        image_size=112,
        counterpart="ferjax.interop.torch_models.poster_v2:PosterV2",
        blocks=(
            *((f"attn{number}", f"attn{number}") for number in (1, 2, 3)),
            *((f"ffn{number}", f"ffn{number}") for number in (1, 2, 3)),
            *((f"VIT.blocks.{number}", f"blocks_{number}") for number in range(BLOCKS)),
        ),
        idle=_idle,
    ),
}
