"""Regions of a face and attention over them: RAN (Wang et al., 2020).

docs/networks.md says where this follows the RAN + FaceNet2ExpNet proposal.
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from flax.typing import Dtype
from jax import lax
from jaxtyping import Array, Float

from ferjax.layers.auxiliary import sow_loss
from ferjax.layers.linear import Linear

# Each crop's share of the height and of the width, as (numerator, denominator); "Region Generation".
CROP = (3, 4)
# The order of `crop_regions`.
REGIONS = ("whole", "top left", "top middle", "top right", "bottom left", "bottom middle", "bottom right")


def region_boxes(height: int, width: int) -> tuple[tuple[int, int, int, int], ...]:
    """Lists (top, left, rows, columns) of each region in an image, in the order of `REGIONS`.

    A side of n pixels is cut to ⌊3n/4⌋; the middle crop begins at half the rest, rounded down.
    """
    tall, wide = (side * CROP[0] // CROP[1] for side in (height, width))
    tops, lefts = (0, height - tall), (0, (width - wide) // 2, width - wide)
    return ((0, 0, height, width), *((top, left, tall, wide) for top in tops for left in lefts))


def crop_regions(images: Float[Array | np.ndarray, "B H W C"]) -> Float[Array, "B 7 H W C"]:
    """Cuts out the whole image I0 and six fixed crops I1…I6, and resizes each to the image's size.

    They lie at `region_boxes`, and are resized bilinearly with pixel centres at one half, so that PyTorch's
    `interpolate(mode="bilinear", align_corners=False)` gives the same. Resizing is two matrix products, of
    rows and of columns, the same for all images.

    Args:
        images: H and W at least 2.

    Returns:
        Regions in the order of `REGIONS`.
    """
    images = jnp.asarray(images)
    height, width = images.shape[1:3]
    _, *crops = region_boxes(height, width)
    tall, wide = crops[0][2:]
    rows, columns = (
        jnp.asarray(_linear_weights(part, side), images.dtype)
        for part, side in ((tall, height), (wide, width))
    )
    exact = lax.Precision.HIGHEST  # a TPU would round the pixels to bfloat16
    bands = {
        top: jnp.einsum("ph,bhwc->bpwc", rows, images[:, top : top + tall], precision=exact)
        for top in sorted({top for top, *_ in crops})
    }
    regions = [images]
    for top, left, *_ in crops:
        crop = bands[top][:, :, left : left + wide]
        regions.append(jnp.einsum("qw,bpwc->bpqc", columns, crop, precision=exact))
    return jnp.stack(regions, axis=1)


def _linear_weights(before: int, after: int) -> np.ndarray:
    """Makes a matrix `[after, before]` of linear resizing; beyond the border, the last pixel repeats."""
    position = ((np.arange(after) + 0.5) * before / after - 0.5).clip(0, before - 1)
    return (1 - np.abs(position[:, None] - np.arange(before))).clip(0)


def _shares(log_weights: Array) -> Array:
    """Computes w_i / Σ w_i over the regions from ln w_i `[B, R, 1]`, also where every w_i underflows to 0."""
    return nn.softmax(log_weights, axis=1)


class RegionAttention(nn.Module):
    """Applies self-attention, then relation-attention, to the features F_i of an image's regions.

    Self-attention weighs regions roughly, μ_i = σ(F_iᵀ q0), and gives F_m = Σ μ_i F_i / Σ μ_i. Relation
    attention sees each region beside that, ν_i = σ([F_i : F_m]ᵀ q1), and gives
    P = Σ μ_i ν_i [F_i : F_m] / Σ μ_i ν_i. As the formulas, q0 and q1 have no bias.

    The region-bias loss max{0, α − (μ_max − μ_0)}, with μ_max over the crops i ≥ 1, is sown as
    `losses/region_bias`; μ, ν and the shares μ_i ν_i / Σ μ ν as `intermediates/self_attention`,
    `relation_attention` and `weights`, each `[B, R]`.

    Attributes:
        alpha: α, by how much the best crop's μ should exceed the whole image's.
        dtype: compute dtype.
    """

    alpha: float = 0.02
    dtype: Dtype | None = None

    @nn.compact
    def __call__(self, features: Float[Array, "B R F"]) -> Float[Array, "B 2*F"]:
        """Sums up the regions' features, those of the whole image first."""
        features = features.astype(self.dtype or features.dtype)
        log_mu = nn.log_sigmoid(Linear(1, use_bias=False, dtype=self.dtype, name="q0")(features))
        global_feature = (_shares(log_mu) * features).sum(axis=1, keepdims=True)
        pairs = jnp.concatenate([features, jnp.broadcast_to(global_feature, features.shape)], axis=-1)
        log_nu = nn.log_sigmoid(Linear(1, use_bias=False, dtype=self.dtype, name="q1")(pairs))

        mu, weights = jnp.exp(log_mu), _shares(log_mu + log_nu)
        margin = mu[:, 1:, 0].max(axis=1) - mu[:, 0, 0]
        sow_loss(self, "region_bias", nn.relu(self.alpha - margin))
        self.sow("intermediates", "self_attention", mu[..., 0])
        self.sow("intermediates", "relation_attention", jnp.exp(log_nu[..., 0]))
        self.sow("intermediates", "weights", weights[..., 0])
        return (weights * pairs).sum(axis=1)
