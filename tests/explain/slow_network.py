"""A small network in Flax, and the same in NumPy, float64, with gradients by finite differences."""

import flax.linen as nn
import jax
import numpy as np

from ferjax.layers.conv import Conv
from ferjax.layers.linear import Linear
from ferjax.layers.pooling import global_average_pool, max_pool_2x2

CLASSES, SIZE = 3, 8
STEP = 1e-6  # of finite differences


class Features(nn.Module):
    """Convolution, 2×2 max pool, ReLU: a layer with a name."""

    features: int = 4

    @nn.compact
    def __call__(self, x):
        return nn.relu(max_pool_2x2(Conv(self.features, 3, padding=1, name="conv")(x)))


class SlowNet(nn.Module):
    """Two such layers, the average over places, and one linear layer or two."""

    num_classes: int = CLASSES
    hidden: int = 6

    @nn.compact
    def __call__(self, images, train=False):
        x = Features(name="first")(images)
        x = Features(5, name="second")(x)
        x = global_average_pool(x)
        if self.hidden:
            x = nn.relu(Linear(self.hidden, name="fc1")(x))
        return Linear(self.num_classes, name="fc2")(x)


def make(hidden=6, images=3, seed=0):
    """A network, its variables, images `[B, 8, 8, 3]` and classes."""
    model = SlowNet(hidden=hidden)
    generator = np.random.default_rng(seed)
    pictures = generator.normal(size=(images, SIZE, SIZE, 3)).astype(np.float32)
    variables = jax.jit(model.init)(jax.random.key(seed), pictures)
    # Weights large enough that classes differ.
    variables = jax.tree.map(lambda leaf: 3 * leaf, variables)
    return model, variables, pictures, np.arange(images, dtype=np.int32) % CLASSES


class InNumPy:
    """The same function of one image, `[8, 8, 3]`, in float64."""

    def __init__(self, variables):
        self.params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), variables["params"])

    def layer(self, name, x):
        kernel, bias = (self.params[name]["conv"][part] for part in ("kernel", "bias"))
        height, width, _ = x.shape
        padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))
        out = np.tensordot(windows, kernel, axes=((3, 4, 2), (0, 1, 2))) + bias
        pooled = out.reshape(height // 2, 2, width // 2, 2, -1).max((1, 3))
        return np.maximum(pooled, 0)

    def tail(self, maps):
        """From the result of `second` on."""
        x = maps.mean((0, 1))
        if "fc1" in self.params:
            x = np.maximum(x @ self.params["fc1"]["kernel"] + self.params["fc1"]["bias"], 0)
        return x @ self.params["fc2"]["kernel"] + self.params["fc2"]["bias"]

    def maps(self, image):
        return self.layer("second", self.layer("first", np.asarray(image, np.float64)))

    def logits(self, image):
        return self.tail(self.maps(image))


def slow_gradient(function, x):
    """By central differences, one number after another."""
    x = np.array(x, np.float64)
    found = np.empty_like(x)
    for place in np.ndindex(*x.shape):
        kept = x[place]
        x[place] = kept + STEP
        above = function(x)
        x[place] = kept - STEP
        found[place] = (above - function(x)) / (2 * STEP)
        x[place] = kept
    return found


def slow_enlarge(maps, height, width):
    """Bilinear, pixel centres at one half, the border's values beyond it; one pixel after another."""
    rows, columns = maps.shape
    out = np.empty((height, width))
    for i in range(height):
        for j in range(width):
            y = min(max((i + 0.5) * rows / height - 0.5, 0), rows - 1)
            x = min(max((j + 0.5) * columns / width - 0.5, 0), columns - 1)
            top, left = int(y), int(x)
            bottom, right = min(top + 1, rows - 1), min(left + 1, columns - 1)
            above = maps[top, left] * (1 - x + left) + maps[top, right] * (x - left)
            below = maps[bottom, left] * (1 - x + left) + maps[bottom, right] * (x - left)
            out[i, j] = above * (1 - y + top) + below * (y - top)
    return out
