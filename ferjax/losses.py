"""Cross entropy with class weights and label smoothing, and the class weights themselves."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array


def cross_entropy(
    logits: Array, labels: Array, class_weights: Array | None = None, label_smoothing: float = 0.0
) -> tuple[Array, Array]:
    """Weighted, smoothed cross entropy of each example, and the weight that it counts with.

    The mean loss is `loss.sum() / weight.sum()`, which is what PyTorch's `CrossEntropyLoss` gives, smoothing
    included: `(1 − ε) w_y (−log p_y) + ε / K · Σ_k w_k (−log p_k)`.

    Args:
        logits: `[B, K]`; computed in float32, or float64 for such logits.
        labels: `[B]` integers in [0, K).
        class_weights: `[K]`, all ones if None.
        label_smoothing: ε in [0, 1).

    Returns:
        `(loss [B], weight [B])`.
    """
    logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
    classes = logits.shape[-1]
    weights = jnp.ones(classes, logits.dtype) if class_weights is None else class_weights.astype(logits.dtype)
    losses = -jax.nn.log_softmax(logits) * weights
    target = jax.nn.one_hot(labels, classes, dtype=logits.dtype)
    target = (1 - label_smoothing) * target + label_smoothing / classes
    return (target * losses).sum(-1), weights[labels]


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
