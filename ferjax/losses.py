"""Cross entropy with class weights, label smoothing and soft labels, and the class weights themselves."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

CLASS_WEIGHTS = ("none", "inverse", "effective")


def cross_entropy(
    logits: Array, labels: Array, class_weights: Array | None = None, label_smoothing: float = 0.0
) -> tuple[Array, Array]:
    """Weighted, smoothed cross entropy of each example, and the weight that it counts with.

    The mean loss is `loss.sum() / weight.sum()`, which is what PyTorch's `CrossEntropyLoss` gives, smoothing
    included: `(1 − ε) w_y (−log p_y) + ε / K · Σ_k w_k (−log p_k)`.

    Args:
        logits: `[B, K]`; computed in float32, or float64 for such logits.
        labels: `[B]` integers in [0, K), or distributions `[B, K]`. The weight of a distribution is its mean
            of the class weights (PyTorch counts such an example as one).
        class_weights: `[K]`, all ones if None.
        label_smoothing: ε in [0, 1).

    Returns:
        `(loss [B], weight [B])`.
    """
    logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
    classes = logits.shape[-1]
    weights = jnp.ones(classes, logits.dtype) if class_weights is None else class_weights.astype(logits.dtype)
    losses = -jax.nn.log_softmax(logits) * weights
    weight = example_weights(labels, weights)
    target = (
        labels.astype(logits.dtype)
        if labels.ndim == 2
        else jax.nn.one_hot(labels, classes, dtype=logits.dtype)
    )
    target = (1 - label_smoothing) * target + label_smoothing / classes
    return (target * losses).sum(-1), weight


def example_weights(labels: Array, class_weights: Array) -> Array:
    """The weight `[B]` of each example: its class's, or the mean over its distribution `[B, K]`."""
    return labels @ class_weights if labels.ndim == 2 else class_weights[labels]


def inverse_frequency(labels: np.ndarray, num_classes: int) -> np.ndarray:
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


def effective_number(labels: np.ndarray, num_classes: int, beta: float) -> np.ndarray:
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
