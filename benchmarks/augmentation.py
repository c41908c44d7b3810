"""What augmentation on the device costs: each option, and all together, as a share of ResEmoteNet's step.

    python -m benchmarks.augmentation [--batch 64] [--size 64] [--rounds 7] [--json FILE]

Each option alone is jitted and timed on uint8 images that lie on the device, beside a training step that
only flips. The aim is less than a tenth of the step for all of them together.
"""

import functools
import statistics

import jax
import numpy as np
from ml_collections import ConfigDict

from benchmarks import command_line, measure
from benchmarks.ferjax_side import FerjaxTraining
from ferjax import config as ferjax_config
from ferjax.augment import augment, mix

PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy")
OPTIONS = {
    "flip": True, "rotate": 30.0, "translate": 0.1, "scale": 0.15, "shear": 10.0, "random_crop": 0.15,
    "elastic": 0.05, "brightness": 0.4, "contrast": 0.4, "saturation": 0.5, "hue": 0.1, "grey": 0.2,
    "randaugment": 2, "erase": 0.25, "mixup": 0.4, "cutmix": 1.0,
}  # fmt: skip
STEP = "training step"
TOGETHER = "all together"
AIM = 0.1


def group(options: dict[str, object]) -> ConfigDict:
    """The group `augment` with these options and no other."""
    config = ferjax_config.defaults().augment
    config.update({"flip": False, **options})
    return config


def augmentation(options: dict[str, object], images: jax.Array, labels: jax.Array) -> measure.Run:
    """A run that augments a batch once."""
    config, key = group(options), jax.random.key(0)

    @jax.jit
    def apply(images: jax.Array, labels: jax.Array) -> tuple[jax.Array, jax.Array]:
        return mix(key, augment(key, images, config), labels, 7, config)

    return lambda: jax.block_until_ready(apply(images, labels))


def main() -> None:
    """Measures and prints a table."""
    parser = command_line.parser(__doc__)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--size", type=int, default=64, help="image height and width")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", default="benchmarks/results/augmentation.json")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (args.batch, args.size, args.size, 3), np.uint8)
    labels = rng.integers(0, 7, args.batch, np.int32)
    on_device = functools.partial(augmentation, images=jax.device_put(images), labels=jax.device_put(labels))
    runs = {STEP: FerjaxTraining(images, labels, "float32")}
    runs |= {name: on_device({name: value}) for name, value in OPTIONS.items()}
    runs[TOGETHER] = on_device(OPTIONS)
    seconds = measure.interleaved(runs, args.rounds)

    step = statistics.median(seconds[STEP])
    rows = []
    print(f"\nbatch {args.batch}, {args.size}×{args.size}\n{'':16s} {'median ms':>10s} {'of the step':>12s}")
    for name, values in seconds.items():
        share = statistics.median(values) / step
        print(f"{name:16s} {1e3 * statistics.median(values):10.2f} {share:12.2%}")
        rows.append({"run": name, "seconds": measure.summary(values), "share_of_step": share})
    print(f"aim: {TOGETHER} below {AIM:.0%}: {'reached' if rows[-1]['share_of_step'] < AIM else 'MISSED'}")
    measure.record("augmentation", rows, PACKAGES, args.json)


if __name__ == "__main__":
    main()
