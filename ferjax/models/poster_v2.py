"""POSTER++, also POSTER V2 (Mao et al., 2025; arXiv 2301.12149).

Maps of a frozen landmark network ask (queries) what maps of a face-recognition trunk answer (keys, values),
at three scales; a small vision transformer reads the answers as tokens.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.typing import Dtype
from jaxtyping import Array, Float

from ferjax.errors import UserError
from ferjax.layers.attention import SelfAttention
from ferjax.layers.conv import Conv
from ferjax.layers.drop_path import DropPath
from ferjax.layers.layer_norm import LayerNorm
from ferjax.layers.linear import Linear
from ferjax.layers.mlp import Mlp
from ferjax.layers.window_attention import WindowCrossAttention
from ferjax.models import ir50, mobilefacenet
from ferjax.models.images import check_images
from ferjax.registry import network

HEADS = (2, 4, 8)  # of the three cross-attentions, whose heads have 32 channels
DROP_PATH = (0.0, 0.125, 0.25)
BLOCKS = 2  # of the transformer, with 8 heads
_LAYER_SCALE = 1e-5
_CROSS_EPSILON, _BLOCK_EPSILON = 1e-5, 1e-6  # of the layer normalisations
INIT = {"kernel_init": nn.initializers.normal(0.01), "bias_init": nn.initializers.zeros}


class Landmarks(nn.Module):
    """MobileFaceNet's convolutions.

    Attributes:
        dtype: compute dtype.
    """

    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Float[Array, "B S S 3"], train: bool) -> list[Float[Array, "B _ _ _"]]:
        """Computes maps of 64, 128 and 512 channels."""
        return mobilefacenet.feature_maps(images.astype(self.dtype or images.dtype), train)


class Trunk(nn.Module):
    """IR-50's convolutions without its last stage.

    Attributes:
        depth: see `ferjax.models.ir50.IR50`.
        dtype: compute dtype.
    """

    depth: int
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Float[Array, "B S S 3"], train: bool) -> list[Float[Array, "B _ _ _"]]:
        """Computes maps of 64, 128 and 256 channels."""
        return ir50.feature_maps(images.astype(self.dtype or images.dtype), train, self.depth)


class FeedForward(nn.Module):
    """Adds the attention's answer, then an MLP, to the normalised map; both are scaled channel by channel.

    Attributes:
        drop_path: probability of leaving one of them out in training.
        dtype: compute dtype.
    """

    drop_path: float
    dtype: Dtype | None = None

    @nn.compact
    def __call__(
        self, answer: Float[Array, "B S S C"], shortcut: Float[Array, "B S S C"], train: bool
    ) -> Float[Array, "B S S C"]:
        """Computes the next map."""
        channels = answer.shape[-1]

        def scaled(y: Array, name: str) -> Array:
            gamma = self.param(name, nn.initializers.constant(_LAYER_SCALE), (channels,), jnp.float32)
            return DropPath(self.drop_path)(gamma.astype(y.dtype) * y, train)

        x = shortcut + scaled(answer, "gamma1")
        y = Mlp(dtype=self.dtype, name="mlp")(LayerNorm(_CROSS_EPSILON, name="norm")(x))
        return x + scaled(y, "gamma2")


class Block(nn.Module):
    """Adds self-attention, then an MLP, each of what a layer normalisation gives.

    Attributes:
        dtype: compute dtype.
    """

    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "B T C"]) -> Float[Array, "B T C"]:
        """Computes the next tokens."""
        attention = SelfAttention(8, dtype=self.dtype, name="attn", **INIT)
        x = x + attention(LayerNorm(_BLOCK_EPSILON, name="norm1")(x))
        return x + Mlp(dtype=self.dtype, name="mlp", **INIT)(LayerNorm(_BLOCK_EPSILON, name="norm2")(x))


@network("poster_v2", smallest=ir50.SMALLEST_IMAGE, usual=ir50.USUAL_IMAGE, source="Mao et al. (2025)")
class PosterV2(nn.Module):
    """POSTER++: three cross-attentions between landmark and image maps, and a transformer of two blocks.

    No gradient reaches the landmark network; its running statistics move in training, as they do in the
    authors' code, unless `init.freeze` names it.

    Attributes:
        num_classes: number of logits.
        depth: of the image trunk, 18, 34 or 50.
        embedding: numbers in a token of the transformer, a multiple of 8.
        resized: pixels, both sides, at which both branches look at the images, a multiple of 16; positions
            belong to it.
        train_landmarks: whether the landmark network is trained too, as it must be where it has no trained
            weights to begin with.
        dtype: compute dtype; the input's if None. Parameters and statistics are float32.
    """

    num_classes: int = 7
    depth: int = 50
    embedding: int = 768
    resized: int = ir50.RESIZED
    train_landmarks: bool = False
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Float[Array | np.ndarray, "..."], train: bool = False) -> Float[Array, "B K"]:
        """Computes logits of normalised images `[B, H, W, 3]`; the paper's size is 224×224.

        Raises:
            UserError: the image is too small or has not three channels, or an option cannot be.
        """
        self._check()
        images = check_images("poster_v2", images, ir50.SMALLEST_IMAGE)
        images = ir50.nearest(images.astype(self.dtype or images.dtype), self.resized)
        asked = self._landmarks(images, train)
        answering = Trunk(self.depth, dtype=self.dtype, name="ir_back")(images, train)
        maps = [
            self._crossed(number, *both, train)
            for number, both in enumerate(zip(answering, asked, strict=True), start=1)
        ]
        tokens = self._tokens(maps)
        for block in range(BLOCKS):
            tokens = Block(dtype=self.dtype, name=f"blocks_{block}")(tokens)
        x = LayerNorm(_BLOCK_EPSILON, name="norm")(tokens[:, 0])
        hidden = nn.relu(Linear(self.embedding, dtype=self.dtype, name="se1", **INIT)(x))
        x = x * nn.sigmoid(Linear(self.embedding, dtype=self.dtype, name="se2", **INIT)(hidden))
        return Linear(self.num_classes, dtype=self.dtype, name="head", **INIT)(x)

    def _check(self) -> None:
        if self.resized % 16 or self.resized < 16:
            raise UserError(
                f"model.resized is {self.resized}; poster_v2's windows and positions take a multiple of 16"
            )
        if self.embedding % 8 or self.embedding < 8:
            raise UserError(f"model.embedding is {self.embedding}; poster_v2's 8 heads must divide it")

    def _landmarks(self, images: Array, train: bool) -> list[Array]:
        """Computes the maps that ask, each with as many channels as the one that answers."""
        maps = Landmarks(dtype=self.dtype, name="face_landback")(images, train)
        if not self.train_landmarks:
            maps = jax.lax.stop_gradient(maps)
        last = Conv(4 * ir50.WIDTH, 3, padding=1, dtype=self.dtype, name="last_face_conv")(maps[-1])
        return [*maps[:-1], last]

    def _crossed(self, number: int, x: Array, queries: Array, train: bool) -> Array:
        """Halves a map of the trunk to the size of the landmarks' map, which then reads it."""
        x = Conv(x.shape[-1], 3, 2, 1, dtype=self.dtype, name=f"conv{number}")(x)
        x = LayerNorm(_CROSS_EPSILON, name=f"window{number}")(x)
        attention = WindowCrossAttention(HEADS[number - 1], dtype=self.dtype, name=f"attn{number}")
        rate = DROP_PATH[number - 1]
        return FeedForward(rate, dtype=self.dtype, name=f"ffn{number}")(attention(x, queries), x, train)

    def _tokens(self, maps: list[Array]) -> Float[Array, "B T C"]:
        """Brings the three maps to one size, and puts their places behind a class token, with positions."""
        layers = (("embed_q_0", "embed_q_1"), ("embed_k",), ())
        parts = []
        for x, strided in zip(maps, layers, strict=True):
            for name in strided:
                x = Conv(self.embedding, 3, 2, 1, dtype=self.dtype, name=name)(x)
            if not strided:
                x = Conv(self.embedding, 1, dtype=self.dtype, name="embed_v")(x)
            parts.append(x.reshape(x.shape[0], -1, self.embedding))
        init = nn.initializers.normal(0.02)
        count = 1 + sum(part.shape[1] for part in parts)
        first = self.param("cls_token", init, (1, 1, self.embedding), jnp.float32)
        positions = self.param("pos_embed", init, (1, count, self.embedding), jnp.float32)
        first = jnp.broadcast_to(first.astype(parts[0].dtype), (parts[0].shape[0], 1, self.embedding))
        return jnp.concatenate([first, *parts], axis=1) + positions.astype(first.dtype)
