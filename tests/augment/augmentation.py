"""What the tests of augmentation share: images, keys and the group `augment` with little switched on."""

import jax
import numpy as np
from ml_collections import ConfigDict
from PIL import Image

from ferjax import config as ferjax_config
from ferjax.augment.draws import Draws

EVERYTHING = {
    "rotate": 30.0, "translate": 0.1, "scale": 0.15, "shear": 10.0, "random_crop": 0.15, "elastic": 0.03,
    "brightness": 0.4, "contrast": 0.4, "saturation": 0.5, "hue": 0.1, "grey": 0.2, "erase": 0.5,
    "randaugment": 2, "extra": "gaussian_noise=0.1,gaussian_blur=0.05,gamma=0.5",
}  # fmt: skip


def group(**fields: object) -> ConfigDict:
    """The group `augment` with everything off but these fields."""
    config = ferjax_config.defaults().augment
    config.flip = False
    config.update(fields)
    return config


def pictures(
    rows: int = 6, height: int = 20, width: int = 24, channels: int = 3, seed: int = 0
) -> np.ndarray:
    """Smooth random images, uint8 `[B, H, W, C]`."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (rows, 5, 5, 3), dtype=np.uint8)
    big = [np.asarray(Image.fromarray(c).resize((width, height), Image.Resampling.BICUBIC)) for c in coarse]
    return np.stack(big)[..., :channels].copy()


def draws(rows: int = 6, seed: int = 0) -> Draws:
    """The draws of a batch."""
    return Draws(jax.random.key(seed), rows)
