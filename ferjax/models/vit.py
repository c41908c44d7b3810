"""Vision transformers (Dosovitskiy et al., 2021) as they are fine-tuned for expressions.

The parts are timm's, under its names: a square of pixels becomes a token by one convolution, a class token
and perhaps registers stand before them, learnt positions are added, and blocks of self-attention and an MLP
follow, each normalised first. Options turn it into the networks of MAE (He et al., 2022), DINOv2 (Oquab et
al., 2024; registers: Darcet et al., 2024) and CLIP's image tower (Radford et al., 2021).
"""

from typing import ClassVar, Literal

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from flax.typing import Dtype
from jaxtyping import Array, Float

from ferjax.errors import UserError
from ferjax.layers.attention import SelfAttention
from ferjax.layers.conv import Conv
from ferjax.layers.drop_path import DropPath, rising_rates
from ferjax.layers.layer_norm import LayerNorm
from ferjax.layers.layer_scale import LayerScale
from ferjax.layers.linear import Linear
from ferjax.layers.mlp import Mlp
from ferjax.models.images import check_images
from ferjax.registry import network

NORMAL = nn.initializers.normal(0.02)
INIT = {"kernel_init": NORMAL, "bias_init": nn.initializers.zeros}
DEEPEST = 48  # blocks, twice those of the largest network whose weights are read


class PatchEmbed(nn.Module):
    """Turns each square of pixels into a token; the result still has rows and columns."""

    patch: int
    width: int
    use_bias: bool
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "B H W 3"]) -> Float[Array, "B h w {self.width}"]:
        """Convolves with a stride as long as the kernel."""
        return Conv(
            self.width, self.patch, self.patch, use_bias=self.use_bias, dtype=self.dtype, name="proj"
        )(x)


class Block(nn.Module):
    """Adds self-attention, then an MLP, each of what a layer normalisation gives.

    Attributes:
        heads: of the attention.
        layer_scale: initial factor of both branches; 0: they have none.
        activation: of the MLP.
        epsilon: of the normalisations.
        drop_path: probability of leaving a branch out in training.
        dtype: compute dtype.
    """

    heads: int
    layer_scale: float
    activation: str
    epsilon: float
    drop_path: float
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "B T C"], train: bool) -> Float[Array, "B T C"]:
        """Computes the next tokens."""
        attention = SelfAttention(self.heads, dtype=self.dtype, name="attn", **INIT)
        mlp = Mlp(activation=self.activation, dtype=self.dtype, name="mlp", **INIT)
        for number, branch in enumerate((attention, mlp), start=1):
            y = branch(LayerNorm(self.epsilon, name=f"norm{number}")(x))
            if self.layer_scale:
                y = LayerScale(self.layer_scale, name=f"ls{number}")(y)
            x = x + DropPath(self.drop_path, name=f"drop_path{number}")(y, train)
        return x


@network("vit_s16", smallest=16, usual=224, source="Dosovitskiy et al. (2021)")
class VisionTransformer(nn.Module):
    """A vision transformer, by default S/16 with the mean of its patches' tokens, as MAE is fine-tuned.

    Images have sides that `patch` divides. Positions belong to the image size that the weights were made for;
    an import and `init.from` resample them. What the attention layers and the reading of the last tokens give
    is sown for `ferjax.explain.attention_rollout`.

    Attributes:
        num_classes: number of logits.
        patch: pixels, both sides, of the square that a token is made of; DINOv2's is 14.
        width: numbers in a token.
        depth: blocks.
        heads: of every self-attention; they divide the width.
        pool: what the classifier reads: `mean`, the patches' tokens averaged and then normalised (`fc_norm`),
            or `token`, the class token after all tokens were normalised (`norm`).
        registers: tokens without a place in the image, behind the class token; DINOv2 has 4 or none.
        layer_scale: initial factor of every branch, see `ferjax.layers.layer_scale`; 0: there is none. DINOv2
            has it, and began with 1e-5.
        pre_norm: whether tokens are normalised before the first block, and patches have no bias, as in CLIP.
        activation: `gelu`, or `quick_gelu` as in CLIP.
        epsilon: of the layer normalisations; CLIP's is 1e-5.
        drop_path: probability of leaving a branch of the last block out in training; it rises along a line.
        dtype: compute dtype; the input's if None. Parameters are float32.
    """

    registered: ClassVar[str] = "vit_s16"

    num_classes: int = 7
    patch: int = 16
    width: int = 384
    depth: int = 12
    heads: int = 6
    pool: Literal["mean", "token"] = "mean"
    registers: int = 0
    layer_scale: float = 0.0
    pre_norm: bool = False
    activation: Literal["gelu", "quick_gelu"] = "gelu"
    epsilon: float = 1e-6
    drop_path: float = 0.1
    dtype: Dtype | None = None

    def __post_init__(self) -> None:
        """Checks numbers against each other.

        Raises:
            UserError: the heads do not divide the width, there are too many blocks or registers below 0.
        """
        if self.depth > DEEPEST:
            raise UserError(f"model.depth is {self.depth}; it must be at most {DEEPEST}")
        if self.registers < 0:
            raise UserError(f"model.registers is {self.registers}; it must be at least 0")
        if self.width % self.heads:
            raise UserError(f"model.heads {self.heads} does not divide model.width {self.width}")
        super().__post_init__()

    @nn.compact
    def __call__(self, images: Float[Array | np.ndarray, "..."], train: bool = False) -> Float[Array, "B K"]:
        """Computes logits of normalised images `[B, H, W, 3]`.

        Raises:
            UserError: the image is too small, its sides are no multiples of the patch's or it has not three
                channels.
        """
        images = self._checked(check_images(self.registered, images, self.patch))
        x = images.astype(self.dtype or images.dtype)
        x = PatchEmbed(self.patch, self.width, not self.pre_norm, dtype=self.dtype, name="patch_embed")(x)
        batch, height, width, _ = x.shape
        x = self._with_tokens(x.reshape(batch, height * width, self.width))
        if self.pre_norm:
            x = LayerNorm(self.epsilon, name="norm_pre")(x)
        for block, rate in enumerate(rising_rates(self.drop_path, self.depth)):
            x = Block(
                self.heads,
                self.layer_scale,
                self.activation,
                self.epsilon,
                rate,
                dtype=self.dtype,
                name=f"blocks_{block}",
            )(x, train)
        first = 1 + self.registers
        self.sow("intermediates", "patches", first + jnp.arange(height * width).reshape(height, width))
        if self.pool == "mean":
            read = (jnp.arange(x.shape[1]) >= first) / (height * width)
            x = LayerNorm(self.epsilon, name="fc_norm")(x[:, first:].mean(1))
        else:
            read = jnp.arange(x.shape[1]) == 0
            x = LayerNorm(self.epsilon, name="norm")(x[:, 0])
        self.sow("intermediates", "read", read.astype(jnp.float32))
        return Linear(self.num_classes, dtype=self.dtype, name="head", **INIT)(x)

    def _checked(self, images: Array) -> Array:
        height, width = images.shape[1:3]
        if height % self.patch or width % self.patch:
            raise UserError(
                f"{self.registered} cuts images into squares of {self.patch}×{self.patch}, which do not "
                f"divide {height}×{width}: set data.image_size to a multiple of {self.patch}, or model.patch"
            )
        return images

    def _with_tokens(self, patches: Float[Array, "B N C"]) -> Float[Array, "B T C"]:
        """Puts the class token in front, adds positions, and puts registers, which have none, between."""
        init = {"cls_token": nn.initializers.normal(1e-6), "reg_token": nn.initializers.normal(1e-6)}
        batch, count, width = patches.shape

        def own(name: str, tokens: int) -> Array:
            values = self.param(name, init.get(name, NORMAL), (1, tokens, width), jnp.float32)
            return jnp.asarray(values, patches.dtype)

        def repeated(tokens: Array) -> Array:
            return jnp.broadcast_to(tokens, (batch, *tokens.shape[1:]))

        positions = own("pos_embed", 1 + count)
        parts = [repeated(own("cls_token", 1) + positions[:, :1])]
        if self.registers:
            parts.append(repeated(own("reg_token", self.registers)))
        return jnp.concatenate([*parts, patches + positions[:, 1:]], axis=1)

    def layer_of(self, path: str) -> int:
        """Returns the layer of a parameter for decay by layer: 0 before the blocks, then one a block.

        References:
            Bao et al., BEiT, ICLR 2022, and its code; He et al., 2022, appendix A.1.
        """
        module = path.partition("/")[0]
        if module in ("patch_embed", "cls_token", "reg_token", "pos_embed", "norm_pre"):
            return 0
        return int(module.removeprefix("blocks_")) + 1 if module.startswith("blocks_") else self.depth + 1


@network("vit_b16", smallest=16, usual=224, source="Dosovitskiy et al. (2021)")
class VisionTransformerB16(VisionTransformer):
    """The same, twice as wide."""

    registered: ClassVar[str] = "vit_b16"

    width: int = 768
    heads: int = 12


@network("vit_tiny48", smallest=6, usual=48, source="ferjax (2026)")
class VisionTransformerTiny48(VisionTransformer):
    """A small one for faces of 48×48: 64 patches of 6×6 pixels."""

    registered: ClassVar[str] = "vit_tiny48"

    patch: int = 6
    width: int = 192
    depth: int = 9
    heads: int = 3
