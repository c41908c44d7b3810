"""Augmentation and normalisation on the device, inside the jitted step.

Images go in and come out as uint8 `[B, H, W, C]`. An example's changes depend on the step's key and on its
row in the global batch alone: not on the number of devices or processes, nor on the other options that are
on. Options that are off compute nothing.
"""

from ferjax.augment.images import augment
from ferjax.augment.mixing import mix
from ferjax.augment.normalisation import IMAGENET_MEAN, IMAGENET_STD, normalise
from ferjax.augment.training_view import view

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "augment", "mix", "normalise", "view"]
