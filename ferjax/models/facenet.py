"""FaceNet's Inception-ResNet-v1 (Szegedy et al., 2017; Schroff et al., 2015), as facenet-pytorch has it.

Convolutions start with He et al.'s normal values (2015). facenet-pytorch's start with PyTorch's default until
its published weights replace them; with that default, values all but vanish in a net that is evaluated before
its statistics are trained.
"""

from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from flax.typing import Dtype
from jaxtyping import Array, Float

from ferjax.augment.normalisation import IMAGENET_MEAN, IMAGENET_STD
from ferjax.layers.conv import Conv
from ferjax.layers.linear import Linear
from ferjax.layers.norm import BatchNorm
from ferjax.layers.pooling import global_average_pool, max_pool_3x3
from ferjax.models.images import check_images
from ferjax.registry import network

SMALLEST_IMAGE = 75  # leaves 3×3 pixels for the last reduction
USUAL_IMAGE = 160  # of the published weights
TRUNK_FEATURES = 1792
EMBEDDING = 512
EPSILON = 1e-3  # of batch normalisation: TF-Slim's, which facenet-pytorch keeps
NORM_EPSILON = 1e-12  # smallest divisor of an embedding: PyTorch's `normalize`
# facenet-pytorch's `fixed_image_standardization`: (pixel − 127.5) / 128.
FIXED_CENTRE, FIXED_SCALE = 127.5, 128.0


class Unit(NamedTuple):
    """One convolution of a branch."""

    features: int
    kernel_size: int | tuple[int, int] = 1
    stride: int = 1
    padding: int | tuple[int, int] = 0


Branch = tuple[Unit, ...]

STEM = (
    ("conv2d_1a", Unit(32, 3, stride=2)),
    ("conv2d_2a", Unit(32, 3)),
    ("conv2d_2b", Unit(64, 3, padding=1)),
    ("conv2d_3b", Unit(80)),
    ("conv2d_4a", Unit(192, 3)),
    ("conv2d_4b", Unit(256, 3, stride=2)),
)
POOLED_BEFORE = "conv2d_3b"  # a 3×3 max pool of stride 2 lies there
# Inception-ResNet-v1's blocks, by the grid they work on at 299×299 pixels (Szegedy et al., figures 10 to 13).
BLOCK_35 = (
    (Unit(32),),
    (Unit(32), Unit(32, 3, padding=1)),
    (Unit(32), Unit(32, 3, padding=1), Unit(32, 3, padding=1)),
)
BLOCK_17 = (
    (Unit(128),),
    (Unit(128), Unit(128, (1, 7), padding=(0, 3)), Unit(128, (7, 1), padding=(3, 0))),
)
BLOCK_8 = (
    (Unit(192),),
    (Unit(192), Unit(192, (1, 3), padding=(0, 1)), Unit(192, (3, 1), padding=(1, 0))),
)
REDUCTION_A = (
    (Unit(384, 3, stride=2),),
    (Unit(192), Unit(192, 3, padding=1), Unit(256, 3, stride=2)),
)
REDUCTION_B = (
    (Unit(256), Unit(384, 3, stride=2)),
    (Unit(256), Unit(256, 3, stride=2)),
    (Unit(256), Unit(256, 3, padding=1), Unit(256, 3, stride=2)),
)


class Stage(NamedTuple):
    """Equal residual blocks one after another."""

    name: str
    blocks: int
    branches: tuple[Branch, ...]
    scale: float  # of the residual before it is added


STAGE_35 = Stage("repeat_1", 5, BLOCK_35, 0.17)
STAGE_17 = Stage("repeat_2", 10, BLOCK_17, 0.10)
STAGE_8 = Stage("repeat_3", 5, BLOCK_8, 0.20)


class ConvUnit(nn.Module):
    """Convolution without bias, batch normalisation, ReLU."""

    unit: Unit
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"], train: bool) -> Float[Array, "B H2 W2 C2"]:
        """Convolves, normalises and rectifies."""
        init = nn.initializers.he_normal()
        x = Conv(*self.unit, use_bias=False, dtype=self.dtype, kernel_init=init, name="conv")(x)
        return nn.relu(BatchNorm(epsilon=EPSILON, name="bn")(x, train))


def _branches(x: Array, branches: tuple[Branch, ...], dtype: Dtype | None, train: bool) -> list[Array]:
    """Applies each branch to `x`; its layers belong to the calling module."""
    results = []
    for number, branch in enumerate(branches):
        y = x
        for index, unit in enumerate(branch):
            name = f"branch{number}" + (f"_{index}" if len(branch) > 1 else "")
            y = ConvUnit(unit, dtype=dtype, name=name)(y, train)
        results.append(y)
    return results


class ResidualInception(nn.Module):
    """Computes x + scale · (branches side by side, through a 1×1 convolution).

    Attributes:
        branches: their units.
        scale: of the residual.
        activate: whether a ReLU follows.
        dtype: compute dtype.
    """

    branches: tuple[Branch, ...]
    scale: float
    activate: bool = True
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"], train: bool) -> Float[Array, "B H W C"]:
        """Adds the scaled residual."""
        y = jnp.concatenate(_branches(x, self.branches, self.dtype, train), axis=-1)
        y = x + self.scale * Conv(x.shape[-1], 1, dtype=self.dtype, name="conv2d")(y)
        return nn.relu(y) if self.activate else y


class Reduction(nn.Module):
    """Puts branches of stride 2 and a 3×3 max pool side by side, without padding."""

    branches: tuple[Branch, ...]
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"], train: bool) -> Float[Array, "B (H-1)//2 (W-1)//2 C2"]:
        """Halves the grid; the branches' channels come before those of `x`."""
        results = _branches(x, self.branches, self.dtype, train)
        return jnp.concatenate([*results, max_pool_3x3(x, padding=0)], axis=-1)


def _trunk(images: Array, train: bool, fixed: bool, dtype: Dtype | None) -> Array:
    """Computes signed features `[B, 1792]`, averaged over the grid, with layers of the calling module."""
    x = images.astype(dtype or images.dtype)
    if fixed:
        x = fixed_standardisation(x)
    for name, unit in STEM:
        if name == POOLED_BEFORE:
            x = max_pool_3x3(x, padding=0)
        x = ConvUnit(unit, dtype=dtype, name=name)(x, train)
    x = _repeat(STAGE_35, x, train, dtype)
    x = Reduction(REDUCTION_A, dtype=dtype, name="mixed_6a")(x, train)
    x = _repeat(STAGE_17, x, train, dtype)
    x = Reduction(REDUCTION_B, dtype=dtype, name="mixed_7a")(x, train)
    x = _repeat(STAGE_8, x, train, dtype)
    x = ResidualInception(BLOCK_8, 1.0, activate=False, dtype=dtype, name="block8")(x, train)
    return global_average_pool(x)


def _repeat(stage: Stage, x: Array, train: bool, dtype: Dtype | None) -> Array:
    for index in range(stage.blocks):
        block = ResidualInception(stage.branches, stage.scale, dtype=dtype, name=f"{stage.name}_{index}")
        x = block(x, train)
    return x


def fixed_standardisation(images: Float[Array, "B H W 3"]) -> Float[Array, "B H W 3"]:
    """Turns ImageNet-normalised images into (pixel − 127.5) / 128, pixels from 0 to 255."""
    std, mean = (np.asarray(values) * 255 for values in (IMAGENET_STD, IMAGENET_MEAN))
    scale, shift = std / FIXED_SCALE, (mean - FIXED_CENTRE) / FIXED_SCALE
    return images * jnp.asarray(scale, images.dtype) + jnp.asarray(shift, images.dtype)


class FaceFeatures(nn.Module):
    """FaceNet without the embedding and the classifier; its weights have the same names.

    Attributes:
        fixed_standardisation: see `FaceNet`.
        dtype: compute dtype; the input's if None.
    """

    fixed_standardisation: bool = False
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Float[Array, "B H W 3"], train: bool = False) -> Float[Array, "B 1792"]:
        """Computes signed features of images, H and W at least 75."""
        return _trunk(images, train, self.fixed_standardisation, self.dtype)


@network(
    "facenet",
    smallest=SMALLEST_IMAGE,
    usual=USUAL_IMAGE,
    source="Schroff et al. (2015); Szegedy et al. (2017)",
)
class FaceNet(nn.Module):
    """Inception-ResNet-v1, a 512-d embedding, and a classifier of expressions on top.

    23,482,624 parameters without the classifier.

    Attributes:
        num_classes: number of logits; 0: no classifier, the result is the embedding at length 1, `[B, 512]`.
        dropout: rate before the embedding; facenet-pytorch's default.
        fixed_standardisation: whether ImageNet-normalised images are first turned into (pixel − 127.5) / 128,
            which facenet-pytorch's published weights were trained on.
        dtype: compute dtype; the input's if None. Parameters and statistics are float32.
    """

    num_classes: int = 7
    dropout: float = 0.6
    fixed_standardisation: bool = False
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, images: Float[Array | np.ndarray, "..."], train: bool = False) -> Float[Array, "B K"]:
        """Computes logits of normalised images `[B, H, W, 3]`; the published size is 160×160.

        Raises:
            UserError: the image is too small or has not three channels.
        """
        images = check_images("facenet", images, SMALLEST_IMAGE)
        x = _trunk(images, train, self.fixed_standardisation, self.dtype)
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        x = Linear(EMBEDDING, use_bias=False, dtype=self.dtype, name="last_linear")(x)
        x = BatchNorm(epsilon=EPSILON, name="last_bn")(x, train)
        if self.num_classes == 0:
            return x / jnp.maximum(jnp.linalg.norm(x, axis=-1, keepdims=True), NORM_EPSILON)
        return Linear(self.num_classes, dtype=self.dtype, name="logits")(x)
