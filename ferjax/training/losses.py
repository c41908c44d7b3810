"""Cross entropy: class weights, label smoothing, soft labels, focal; L2 on chosen weights."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Int
from ml_collections import ConfigDict

from ferjax.errors import UserError
from ferjax.registry import LOSSES, loss
from ferjax.training.paths import by_path

CLASS_WEIGHTS = ("none", "inverse", "effective")


def create(config: ConfigDict) -> Callable[[Array, Array, Array | None], tuple[Array, Array]]:
    """The loss of the group `loss`: `f(logits, labels, class_weights) -> (loss [B], weight [B])`.

    Raises:
        UserError: `loss.name` stands for nothing.
    """
    return partial(LOSSES.find(config.name).target, config=config, **config.options)


@loss("cross_entropy")
def _cross_entropy(
    logits: Array, labels: Array, class_weights: Array | None, config: ConfigDict
) -> tuple[Array, Array]:
    return cross_entropy(logits, labels, class_weights, config.label_smoothing, config.focal_gamma)


def cross_entropy(
    logits: Float[Array | np.ndarray, "B K"],
    labels: Int[Array | np.ndarray, " B"] | Float[Array | np.ndarray, "B K"],
    class_weights: Float[Array | np.ndarray, " K"] | None = None,
    label_smoothing: float | Array = 0.0,
    focal_gamma: float | Array = 0.0,
) -> tuple[Float[Array, " B"], Float[Array, " B"]]:
    """Weighted, smoothed, focal cross entropy of each example, and the weight that it counts with.

    The mean loss is `loss.sum() / weight.sum()`, which is what PyTorch's `CrossEntropyLoss` gives, smoothing
    included: `(1 − ε) w_y (−log p_y) + ε / K · Σ_k w_k (−log p_k)`.

    Args:
        logits: `[B, K]`; computed in float32, or float64 for such logits.
        labels: `[B]` integers in [0, K), or distributions `[B, K]`. The weight of a distribution is its mean
            of the class weights (PyTorch counts such an example as one).
        class_weights: `[K]`, all ones if None.
        label_smoothing: ε in [0, 1).
        focal_gamma: γ ≥ 0; each term −log p_k is multiplied by (1 − p_k)^γ, so that examples which the
            network is already sure of count less. 0 is plain cross entropy.

    Returns:
        `(loss [B], weight [B])`.

    References:
        Lin et al., Focal loss for dense object detection, ICCV 2017, equation 4 (α_t are the class weights).
    """
    logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
    classes = logits.shape[-1]
    weights = jnp.ones(classes, logits.dtype) if class_weights is None else class_weights.astype(logits.dtype)
    chances = jax.nn.log_softmax(logits)
    losses = -chances * weights
    if focal_gamma:
        losses = losses * _focus(chances, focal_gamma)
    weight = example_weights(labels, weights)
    target = (
        labels.astype(logits.dtype)
        if labels.ndim == 2
        else jax.nn.one_hot(labels, classes, dtype=logits.dtype)
    )
    target = (1 - label_smoothing) * target + label_smoothing / classes
    return (target * losses).sum(-1), weight


def _focus(log_chances: Array, gamma: float | Array) -> Array:
    """(1 − p)^γ. Its gradient is finite at p = 1 too, where a power below one of zero would have none."""
    rest = -jnp.expm1(log_chances)
    return jnp.maximum(rest, jnp.finfo(rest.dtype).tiny) ** gamma


def example_weights(
    labels: Int[Array | np.ndarray, " B"] | Float[Array | np.ndarray, "B K"],
    class_weights: Float[Array | np.ndarray, " K"],
) -> Float[Array, " B"]:
    """The weight `[B]` of each example: its class's, or the mean over its distribution `[B, K]`."""
    labels = jnp.asarray(labels)
    return labels @ class_weights if labels.ndim == 2 else class_weights[labels]


def inverse_frequency(labels: Int[np.ndarray, " N"], num_classes: int) -> Float[np.ndarray, " K"]:
    """w_c = N / (K · n_c) over the K classes that occur: the mean weight of the examples is one.

    Args:
        labels: `[N]` integers.
        num_classes: length of the result.

    Returns:
        float32 `[num_classes]`; 0 for a class without examples, which no training label ever reads.
    """
    counts = np.bincount(labels, minlength=num_classes)
    present = counts > 0
    weights = np.zeros(num_classes, np.float32)
    weights[present] = len(labels) / (present.sum() * counts[present])
    return weights


def effective_number(labels: Int[np.ndarray, " N"], num_classes: int, beta: float) -> Float[np.ndarray, " K"]:
    """w_c ∝ (1 − β) / (1 − β^n_c), scaled so that the mean weight of the examples is one.

    The effective number (1 − β^n) / (1 − β) is the volume that n examples cover when they overlap: 1 for
    β = 0, which weighs all classes alike, and n for β → 1, which is `inverse_frequency`.

    Args:
        labels: `[N]` integers.
        num_classes: length of the result.
        beta: in [0, 1); the paper takes 0.9 to 0.9999.

    Returns:
        float32 `[num_classes]`; 0 for a class without examples, which no training label ever reads.

    References:
        Cui et al., Class-balanced loss based on effective number of samples, CVPR 2019, equation 2.
    """
    counts = np.bincount(labels, minlength=num_classes)
    present = counts > 0
    weights = np.zeros(num_classes)
    weights[present] = (1 - beta) / (1 - beta ** counts[present])
    return (weights * len(labels) / (weights * counts).sum()).astype(np.float32)


def class_weights(name: str, labels: np.ndarray, num_classes: int, beta: float) -> np.ndarray | None:
    """The weights of the group `loss`: `name` is one of `CLASS_WEIGHTS`, and None stands for none."""
    if name == "inverse":
        return inverse_frequency(labels, num_classes)
    return effective_number(labels, num_classes, beta) if name == "effective" else None


def l2_penalty(params: Any, rules: tuple[tuple[str, float], ...]) -> Array | float:
    """Σ over the rules of 0.5 · λ · ΣW² over the parameters whose path the pattern is found in.

    Args:
        params: a tree of dicts; a path is `"block/conv1/kernel"`.
        rules: see `ferjax.config.text_fields.parse_l2`.

    Returns:
        A scalar, 0 without rules.

    Raises:
        UserError: a pattern is found in no path.

    References:
        Khan et al., Facial emotion recognition using a spatial deep learning network, 2023: the last two
        fully connected layers, λ1 = 0.001 and λ2 = 0.01.
    """
    flat = by_path(params)
    total: Array | float = 0.0
    for pattern, strength in rules:
        chosen = [leaf for path, leaf in flat.items() if re.search(pattern, path)]
        if not chosen:
            last = ", ".join(list(flat)[-4:])
            raise UserError(f"in loss.l2, {pattern!r} is in no parameter's path; the last ones are {last}")
        total = total + 0.5 * strength * sum(jnp.square(leaf).sum() for leaf in chosen)
    return total
