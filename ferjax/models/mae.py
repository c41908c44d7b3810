"""Masked auto-encoding (He et al., 2022): a vision transformer learns to fill in most of an image.

Its encoder sees the patches that are left, and a small decoder guesses the others. The encoder is that of
`ferjax.models.vit` under the same names, so that a vision transformer begins with what it has learnt.
The names of the other parts are those of facebookresearch/mae.

References:
    He, Chen, Xie, Li, Dollár & Girshick, Masked autoencoders are scalable vision learners, CVPR 2022.
"""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.typing import Dtype
from jaxtyping import Array, Float, Int, Key

from ferjax.errors import UserError
from ferjax.layers.init import XAVIER, flat_xavier
from ferjax.layers.layer_norm import LayerNorm
from ferjax.layers.linear import Linear
from ferjax.layers.positions import waves
from ferjax.models.vit import NORMAL, Block, TokenEncoder

# What fine-tuning does not take over: the decoder's modules and parameters, by the begin of their paths.
DECODER = ("decoder_", "mask_token")
_EPSILON = 1e-6  # added to the variance of a patch


class MaskedAutoencoder(TokenEncoder):
    """A vision transformer's encoder with a decoder that guesses the patches that it was not shown.

    Positions are sines and cosines; they are parameters, so that fine-tuning can begin with them, and the
    recipe freezes them. The class token is encoded and decoded with the patches. There is no stochastic depth
    unless `drop_path` says so; `masked` leaves it out. Widths are multiples of 4, for the positions.

    Attributes:
        mask_ratio: part of the patches that the encoder does not see, in (0, 1).
        decoder_width: numbers in the decoder's tokens.
        decoder_depth: blocks of the decoder.
        decoder_heads: of its self-attention; they divide its width.
    """

    mask_ratio: float = 0.75
    decoder_width: int = 512
    decoder_depth: int = 8
    decoder_heads: int = 16

    def __post_init__(self) -> None:
        """Checks numbers against each other.

        Raises:
            UserError: the decoder's heads do not divide its width, or a width is no multiple of 4.
        """
        if self.decoder_width % self.decoder_heads:
            raise UserError(
                f"pretrain.decoder_heads {self.decoder_heads} does not divide pretrain.decoder_width "
                f"{self.decoder_width}"
            )
        for field, width in (("model.width", self.width), ("pretrain.decoder_width", self.decoder_width)):
            if width % 4:
                raise UserError(f"{field} is {width}; masked auto-encoding needs a multiple of 4")
        super().__post_init__()

    @nn.compact
    def __call__(
        self,
        images: Float[Array | np.ndarray, "..."],
        train: bool = False,
        order: Int[Array | np.ndarray, "B N"] | None = None,
    ) -> Float[Array, "B N D"]:
        """Guesses the pixels of all N patches from the first ones of an order.

        Args:
            images: normalised, `[B, H, W, 3]`.
            train: whether branches are dropped.
            order: a permutation of the patches of each image, see `random_order`; the encoder sees the
                first `visible(N)` of them. None: row by row, which tells shapes.

        Returns:
            For each patch, in the order of the image, D = patch² · 3 values as `patches` lays them out.

        Raises:
            UserError: see `checked`; or all patches would be hidden, or none.
        """
        x = self.embedded(self.checked(images), flat_xavier)
        batch, rows, columns, _ = x.shape
        count = rows * columns
        shown = visible(count, self.mask_ratio)
        order = jnp.broadcast_to(jnp.arange(count), (batch, count)) if order is None else jnp.asarray(order)
        positions = self._positions("pos_embed", rows, columns, self.width, x.dtype)
        x = x.reshape(batch, count, self.width) + positions[:, 1:]
        x = jnp.take_along_axis(x, order[:, :shown, None], axis=1)
        x = self.encoded(self.with_tokens(x, positions, NORMAL), train, XAVIER)
        x = LayerNorm(self.epsilon, name="norm")(x)
        return self._decoded(x, order, rows, columns, train)

    def _decoded(
        self, x: Float[Array, "B T C"], order: Int[Array, "B N"], rows: int, columns: int, train: bool
    ) -> Float[Array, "B N D"]:
        """Puts tokens back to their places, hidden ones between them, and turns all into pixels."""
        init = {"kernel_init": XAVIER, "bias_init": nn.initializers.zeros, "dtype": self.dtype}
        x = Linear(self.decoder_width, name="decoder_embed", **init)(x)
        batch, count = order.shape
        hidden = self.param("mask_token", NORMAL, (1, 1, self.decoder_width), jnp.float32)
        first = 1 + self.registers
        missing = count - (x.shape[1] - first)
        hidden = jnp.broadcast_to(jnp.asarray(hidden, x.dtype), (batch, missing, self.decoder_width))
        patches = jnp.concatenate([x[:, first:], hidden], axis=1)
        patches = jnp.take_along_axis(patches, jnp.argsort(order, axis=1)[:, :, None], axis=1)
        positions = self._positions("decoder_pos_embed", rows, columns, self.decoder_width, x.dtype)
        x = jnp.concatenate([x[:, :1] + positions[:, :1], x[:, 1:first], patches + positions[:, 1:]], axis=1)
        for block in range(self.decoder_depth):
            x = Block(
                self.decoder_heads,
                layer_scale=0.0,
                activation="gelu",
                epsilon=self.epsilon,
                drop_path=0.0,
                dtype=self.dtype,
                kernel_init=XAVIER,
                name=f"decoder_blocks_{block}",
            )(x, train)
        x = LayerNorm(self.epsilon, name="decoder_norm")(x)
        return Linear(self.patch * self.patch * 3, name="decoder_pred", **init)(x)[:, first:]

    def _positions(
        self, name: str, rows: int, columns: int, width: int, dtype: Dtype
    ) -> Float[Array, "1 P {width}"]:
        shape = (1, 1 + rows * columns, width)
        return jnp.asarray(self.param(name, waves(rows, columns), shape, jnp.float32), dtype)


def masked(
    model: nn.Module, mask_ratio: float, decoder_width: int, decoder_depth: int, decoder_heads: int
) -> MaskedAutoencoder:
    """Makes the auto-encoder whose encoder is that of a vision transformer.

    Args:
        model: the vision transformer; its options are taken over, except for stochastic depth, which
            masking does not need.
        mask_ratio: see `MaskedAutoencoder`, as the rest.
        decoder_width: likewise.
        decoder_depth: likewise.
        decoder_heads: likewise.

    Raises:
        UserError: the network is no vision transformer, or numbers do not fit.
    """
    if not isinstance(model, TokenEncoder):
        raise UserError(
            "pretrain.method=mae hides patches from a vision transformer, and "
            f"{type(model).__name__} is none: set model.name to vit_tiny48, vit_s16 or vit_b16"
        )
    options = {
        field.name: getattr(model, field.name)
        for field in dataclasses.fields(TokenEncoder)
        if field.name not in ("parent", "name")
    }
    return MaskedAutoencoder(
        **{**options, "drop_path": 0.0},
        mask_ratio=mask_ratio,
        decoder_width=decoder_width,
        decoder_depth=decoder_depth,
        decoder_heads=decoder_heads,
    )


def visible(count: int, mask_ratio: float) -> int:
    """Returns how many of `count` patches the encoder sees, rounded down.

    >>> visible(64, 0.75)
    16

    Raises:
        UserError: none would be seen, or all.
    """
    shown = int(count * (1 - mask_ratio))
    if not 0 < shown < count:
        which = "none" if not shown else "all"
        raise UserError(
            f"with pretrain.mask_ratio {mask_ratio:g} {which} of an image's {count} patches would be seen: "
            "choose another one, a larger data.image_size or a smaller model.patch"
        )
    return shown


def random_order(key: Key[Array, ""], batch: int, count: int) -> Int[Array, "{batch} {count}"]:
    """Draws a permutation of the patches of each image of a batch, uniformly."""
    return jnp.argsort(jax.random.uniform(key, (batch, count)), axis=1)


def hidden(order: Int[Array, "B N"], shown: int) -> Float[Array, "B N"]:
    """Returns 1 for the patches that an order hides from the encoder and 0 for the others, float32."""
    return (jnp.argsort(order, axis=1) >= shown).astype(jnp.float32)


def patches(images: Float[Array, "B H W C"], patch: int) -> Float[Array, "B N D"]:
    """Cuts images into squares: N row by row, D = patch² · C values each, row by row and channel last."""
    batch, height, width, channels = images.shape
    cut = images.reshape(batch, height // patch, patch, width // patch, patch, channels)
    return cut.transpose(0, 1, 3, 2, 4, 5).reshape(batch, -1, patch * patch * channels)


def unpatched(values: Float[Array, "B N D"], patch: int, height: int) -> Float[Array, "B H W C"]:
    """Puts squares together again, the inverse of `patches` for images of `height` pixels."""
    batch, count, size = values.shape
    rows = height // patch
    cut = values.reshape(batch, rows, count // rows, patch, patch, size // (patch * patch))
    return cut.transpose(0, 1, 3, 2, 4, 5).reshape(batch, height, -1, size // (patch * patch))


def targets(values: Float[Array, "B N D"], normalised: bool) -> Float[Array, "B N D"]:
    """Returns what the decoder shall guess: pixels, or each patch's with mean 0 and variance 1 (4.2)."""
    if not normalised:
        return values
    mean, deviation = patch_statistics(values)
    return (values - mean) / deviation


def patch_statistics(values: Float[Array, "B N D"]) -> tuple[Float[Array, "B N 1"], Float[Array, "B N 1"]]:
    """Returns each patch's mean and standard deviation, unbiased and never 0, as the authors' code does."""
    mean, variance = values.mean(-1, keepdims=True), values.var(-1, keepdims=True, ddof=1)
    return mean, jnp.sqrt(variance + _EPSILON)


def reconstruction_loss(
    guessed: Float[Array, "B N D"], wanted: Float[Array, "B N D"], mask: Float[Array, "B N"]
) -> Float[Array, " B"]:
    """Returns the mean squared error over the hidden patches of each image."""
    error = jnp.square(guessed - wanted).mean(-1)
    return (error * mask).sum(1) / mask.sum(1)
