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
from flax.typing import Dtype, Initializer
from jaxtyping import Array, Float

from ferjax.errors import UserError
from ferjax.layers.attention import SelfAttention
from ferjax.layers.conv import Conv
from ferjax.layers.drop_path import DropPath, rising_rates
from ferjax.layers.init import XAVIER, flat_xavier
from ferjax.layers.layer_norm import LayerNorm
from ferjax.layers.layer_scale import LayerScale
from ferjax.layers.linear import Linear
from ferjax.layers.mlp import Mlp
from ferjax.layers.positions import waves
from ferjax.models.images import check_images
from ferjax.registry import network

NORMAL = nn.initializers.normal(0.02)
INIT = {"kernel_init": NORMAL, "bias_init": nn.initializers.zeros}
BARELY_ANY = nn.initializers.normal(1e-6)  # of tokens, as timm begins them
DEEPEST = 48  # blocks, twice those of the largest network whose weights are read


class PatchEmbed(nn.Module):
    """Turns each square of pixels into a token; the result still has rows and columns."""

    patch: int
    width: int
    use_bias: bool
    dtype: Dtype | None = None
    kernel_init: Initializer | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "B H W 3"]) -> Float[Array, "B h w {self.width}"]:
        """Convolves with a stride as long as the kernel."""
        return Conv(
            self.width,
            self.patch,
            self.patch,
            use_bias=self.use_bias,
            dtype=self.dtype,
            kernel_init=self.kernel_init,
            name="proj",
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
        kernel_init: of its linear layers.
    """

    heads: int
    layer_scale: float
    activation: str
    epsilon: float
    drop_path: float
    dtype: Dtype | None = None
    kernel_init: Initializer = NORMAL

    @nn.compact
    def __call__(self, x: Float[Array, "B T C"], train: bool) -> Float[Array, "B T C"]:
        """Computes the next tokens."""
        init = {"kernel_init": self.kernel_init, "bias_init": nn.initializers.zeros, "dtype": self.dtype}
        attention = SelfAttention(self.heads, name="attn", **init)
        mlp = Mlp(activation=self.activation, name="mlp", **init)
        for number, branch in enumerate((attention, mlp), start=1):
            y = branch(LayerNorm(self.epsilon, name=f"norm{number}")(x))
            if self.layer_scale:
                y = LayerScale(self.layer_scale, name=f"ls{number}")(y)
            x = x + DropPath(self.drop_path, name=f"drop_path{number}")(y, train)
        return x


class TokenEncoder(nn.Module):
    """The part of a vision transformer before it reads its last tokens, with its options.

    Images have sides that `patch` divides. Positions belong to the image size that the weights were made for;
    an import and `init.from` resample them. What the attention layers give is sown for
    `ferjax.explain.attention_rollout`.

    Attributes:
        patch: pixels, both sides, of the square that a token is made of; DINOv2's is 14.
        width: numbers in a token.
        depth: blocks.
        heads: of every self-attention; they divide the width.
        registers: tokens without a place in the image, behind the class token; DINOv2 has 4 or none.
        layer_scale: initial factor of every branch, see `ferjax.layers.layer_scale`; 0: there is none. DINOv2
            has it, and began with 1e-5.
        pre_norm: whether tokens are normalised before the first block, and patches have no bias, as in CLIP.
        activation: `gelu`, or `quick_gelu` as in CLIP.
        epsilon: of the layer normalisations; CLIP's is 1e-5.
        drop_path: probability of leaving a branch of the last block out in training; it rises along a line.
        dtype: compute dtype; the input's if None. Parameters are float32.
    """

    registered: ClassVar[str] = "a vision transformer"

    patch: int = 16
    width: int = 384
    depth: int = 12
    heads: int = 6
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

    def checked(self, images: Float[Array | np.ndarray, "..."]) -> Float[Array, "B H W 3"]:
        """Returns the images as an array of jax.

        Raises:
            UserError: the image is too small, its sides are no multiples of the patch's or it has not three
                channels.
        """
        images = check_images(self.registered, images, self.patch)
        height, width = images.shape[1:3]
        if height % self.patch or width % self.patch:
            raise UserError(
                f"{self.registered} cuts images into squares of {self.patch}×{self.patch}, which do not "
                f"divide {height}×{width}: choose an image size that is a multiple of {self.patch}, or the "
                "network's option patch"
            )
        return images

    def embedded(
        self, images: Float[Array, "B H W 3"], kernel_init: Initializer | None = None
    ) -> Float[Array, "B h w {self.width}"]:
        """Makes a token of each square of pixels; called from a compact method, as all below."""
        x = images.astype(self.dtype or images.dtype)
        embed = PatchEmbed(
            self.patch,
            self.width,
            use_bias=not self.pre_norm,
            dtype=self.dtype,
            kernel_init=kernel_init,
            name="patch_embed",
        )
        return embed(x)

    def own(self, name: str, tokens: int, init: Initializer, dtype: Dtype) -> Float[Array, "1 {tokens} C"]:
        """Returns learnt tokens or positions, a parameter of the network itself."""
        return jnp.asarray(self.param(name, init, (1, tokens, self.width), jnp.float32), dtype)

    def with_tokens(
        self,
        patches: Float[Array, "B N C"],
        positions: Float[Array, "1 P C"],
        class_init: Initializer = BARELY_ANY,
    ) -> Float[Array, "B T C"]:
        """Puts the class token, with its position, in front of patches that have theirs.

        Registers, which have no position, come between.
        """
        batch, _, width = patches.shape

        def repeated(tokens: Array) -> Array:
            return jnp.broadcast_to(tokens, (batch, tokens.shape[1], width))

        parts = [repeated(self.own("cls_token", 1, class_init, patches.dtype) + positions[:, :1])]
        if self.registers:
            parts.append(repeated(self.own("reg_token", self.registers, BARELY_ANY, patches.dtype)))
        return jnp.concatenate([*parts, patches], axis=1)

    def encoded(
        self, x: Float[Array, "B T C"], train: bool, kernel_init: Initializer = NORMAL
    ) -> Float[Array, "B T C"]:
        """Lets tokens pass all blocks."""
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
                kernel_init=kernel_init,
                name=f"blocks_{block}",
            )(x, train)
        return x

    def layer_of(self, path: str) -> int:
        """Returns the layer of a parameter for decay by layer: 0 before the blocks, then one a block.

        References:
            Bao et al., BEiT, ICLR 2022, and its code; He et al., 2022, appendix A.1.
        """
        module = path.partition("/")[0]
        if module in ("patch_embed", "cls_token", "reg_token", "pos_embed", "norm_pre"):
            return 0
        return int(module.removeprefix("blocks_")) + 1 if module.startswith("blocks_") else self.depth + 1


@network("vit_s16", smallest=16, usual=224, source="Dosovitskiy et al. (2021)")
class VisionTransformer(TokenEncoder):
    """A vision transformer, by default S/16 with the mean of its patches' tokens, as MAE is fine-tuned.

    The other options are those of `TokenEncoder`. How the last tokens are read is sown for
    `ferjax.explain.attention_rollout`.

    Attributes:
        num_classes: number of logits.
        pool: what the classifier reads: `mean`, the patches' tokens averaged and then normalised (`fc_norm`),
            or `token`, the class token after all tokens were normalised (`norm`).
        initial: how it begins: `timm`, with small random numbers, or `mae`, with positions that are waves as
            large as the tokens and weights that keep the signal's size (He et al., 2022, in their code). From
            scratch on few images `mae` tells places apart from the first step and learns sooner.
    """

    registered: ClassVar[str] = "vit_s16"

    num_classes: int = 7
    pool: Literal["mean", "token"] = "mean"
    initial: Literal["timm", "mae"] = "timm"

    def __post_init__(self) -> None:
        """Checks numbers against each other.

        Raises:
            UserError: see `TokenEncoder`; or the width is no multiple of 4, which `initial=mae` needs.
        """
        if self.initial == "mae" and self.width % 4:
            raise UserError(
                f"model.initial=mae needs a model.width that is a multiple of 4, not {self.width}"
            )
        super().__post_init__()

    @nn.compact
    def __call__(self, images: Float[Array | np.ndarray, "..."], train: bool = False) -> Float[Array, "B K"]:
        """Computes logits of normalised images `[B, H, W, 3]`.

        Raises:
            UserError: see `checked`.
        """
        mae = self.initial == "mae"
        x = self.embedded(self.checked(images), flat_xavier if mae else None)
        batch, height, width, _ = x.shape
        beginning = waves(height, width) if mae else NORMAL
        positions = self.own("pos_embed", 1 + height * width, beginning, x.dtype)
        patches = x.reshape(batch, height * width, self.width) + positions[:, 1:]
        tokens = self.with_tokens(patches, positions, NORMAL if mae else BARELY_ANY)
        x = self.encoded(tokens, train, XAVIER if mae else NORMAL)
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
