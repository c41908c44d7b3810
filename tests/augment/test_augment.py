"""Properties of `augment` with any options on."""

import os
import subprocess
import sys

import augmentation
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from augmentation import EVERYTHING, group, pictures
from hypothesis import given, settings
from hypothesis import strategies as st

from ferjax.augment import IMAGENET_MEAN, IMAGENET_STD, augment, normalise

RUN = jax.jit(augment, static_argnums=2)


class Static(augmentation.ConfigDict):
    """Hashable by content, as jit's static arguments must be."""

    def __hash__(self):
        return hash(tuple(sorted(self.items())))


def run(seed, images, **fields):
    return np.asarray(RUN(jax.random.key(seed), images, Static(group(**fields)).lock()))


def test_normalise_matches_the_definition():
    images = pictures()
    expected = (images.astype(np.float64) / 255 - IMAGENET_MEAN) / IMAGENET_STD
    np.testing.assert_allclose(normalise(images), expected, atol=1e-5)
    grey = normalise(images[..., :1])
    np.testing.assert_allclose(grey[..., 2], (images[..., 0] / 255 - 0.406) / 0.225, atol=1e-5)
    assert normalise(images, jnp.bfloat16).dtype == jnp.bfloat16


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("option", sorted(EVERYTHING))
def test_each_option_changes_images_and_keeps_their_type(option, channels):
    images = pictures(channels=channels)
    changed = run(0, images, **{option: 1.0 if option == "grey" else EVERYTHING[option]})
    assert (changed.dtype, changed.shape) == (np.uint8, images.shape)
    colourless = channels == 1 and option in ("saturation", "hue", "grey")
    assert np.array_equal(changed, images) == colourless
    if not colourless and option != "erase":
        assert sum(not np.array_equal(a, b) for a, b in zip(changed, images, strict=True)) > 3


def test_nothing_on_changes_nothing_and_computes_nothing():
    images = pictures()
    np.testing.assert_array_equal(run(3, images), images)
    traced = str(
        jax.make_jaxpr(lambda key, x: augment(key, x, group(brightness=0.3)))(jax.random.key(0), images)
    )
    assert "gather" not in traced
    assert "gather" in str(
        jax.make_jaxpr(lambda k, x: augment(k, x, group(rotate=3.0)))(jax.random.key(0), images)
    )


def test_the_same_key_gives_the_same_and_another_gives_another():
    images = pictures()
    first = run(1, images, flip=True, **EVERYTHING)
    np.testing.assert_array_equal(first, run(1, images, flip=True, **EVERYTHING))
    assert not np.array_equal(first, run(2, images, flip=True, **EVERYTHING))


@pytest.mark.slow
def test_a_row_does_not_depend_on_the_others():
    images = pictures(rows=6)
    whole = run(5, images, flip=True, **EVERYTHING)
    others = np.concatenate([images[:3], 255 - images[3:]])
    np.testing.assert_array_equal(run(5, others, flip=True, **EVERYTHING)[:3], whole[:3])
    # Another batch size is another program, which may round a half the other way.
    half = run(5, images[:3], flip=True, **EVERYTHING)
    assert np.abs(half - whole[:3].astype(int)).max() <= 1
    assert (half != whole[:3]).mean() < 0.001


def test_equal_images_in_different_rows_differ():
    same = np.repeat(pictures(rows=1), 6, axis=0)
    changed = run(0, same, flip=True, **EVERYTHING)
    assert len({image.tobytes() for image in changed}) == 6


def test_one_option_does_not_change_the_draws_of_another():
    images = pictures()
    flipped = run(4, images, flip=True)
    both = run(4, images, flip=True, brightness=0.2)
    mirrored = [np.array_equal(a, b[:, ::-1]) for a, b in zip(flipped, images, strict=True)]
    assert 0 < sum(mirrored) < len(images)
    brighter = run(4, images, brightness=0.2)
    for which, one, other in zip(mirrored, both, brighter, strict=True):
        np.testing.assert_array_equal(one, other[:, ::-1] if which else other)


@pytest.mark.slow
@given(
    fields=st.fixed_dictionaries(
        {},
        optional={
            name: st.sampled_from([0.01, value]) for name, value in EVERYTHING.items() if name != "extra"
        },
    ),
    height=st.sampled_from([1, 2, 17]),
    width=st.sampled_from([2, 16]),
    seed=st.integers(0, 2**32 - 1),
)
@settings(deadline=None, max_examples=6)
def test_a_constant_image_stays_constant_but_for_tone_and_erasing(fields, height, width, seed):
    fields = {name: value for name, value in fields.items() if name not in ("erase", "hue", "randaugment")}
    grey = np.full((2, height, width, 3), 100, np.uint8)
    changed = np.asarray(augment(jax.random.key(seed), grey, group(**fields)))
    assert all(len(np.unique(image)) == 1 for image in changed)
    if not {"brightness"} & fields.keys():
        np.testing.assert_array_equal(changed, grey)


DEVICES = """
import sys, jax, numpy as np
sys.path[:0] = {paths!r}
from augmentation import EVERYTHING, group, pictures
from ferjax.augment import augment, mix
from ferjax.augment.crops import random_crop
from ferjax.cluster.mesh import batch_sharding, make_mesh
from ml_collections import ConfigDict

assert jax.device_count() == 8
images, labels = pictures(rows=16), np.arange(16) % 7
config = group(flip=True, mixup=0.4, cutmix=1.0, **EVERYTHING)

def step(key, images, labels):
    images = augment(key, random_crop(key, images, 16), config)
    return images, *mix(key, images, labels, 7, config)

where = batch_sharding(make_mesh(ConfigDict({{"data": -1, "fsdp": 1}})))
one = jax.jit(step)(jax.random.key(3), images, labels)
eight = jax.jit(step)(jax.random.key(3), *jax.device_put((images, labels), where))
assert len(eight[0].sharding.device_set) == 8
for name, a, b in zip(("augmented", "mixed", "labels"), one, eight, strict=True):
    # Another program may round a half the other way.
    far = np.abs(np.asarray(a, float) - b)
    assert far.max() <= (1e-6 if name == "labels" else 1) and (far > 1e-6).mean() < 0.001, name
print("equal")
"""


@pytest.mark.slow
@pytest.mark.relative  # whole steps on eight devices are in test_mesh.py
def test_eight_devices_give_the_same_as_one():
    paths = [os.path.dirname(augmentation.__file__), str(tiny.HERE)]
    done = subprocess.run(
        [sys.executable, "-c", DEVICES.format(paths=paths)],
        # Compiled as for training: in a hurry XLA sums in another order for another number of devices.
        env={**os.environ, "JAX_NUM_CPU_DEVICES": "8", "JAX_PLATFORMS": "cpu",
             "JAX_DISABLE_MOST_OPTIMIZATIONS": "0"},
        capture_output=True, text=True, timeout=tiny.LONGEST,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "equal\n"), done.stderr
