"""Every method against a slow, direct computation in NumPy."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from slow_network import CLASSES, SIZE, InNumPy, make, slow_enlarge, slow_gradient

from ferjax.errors import UserError
from ferjax.explain.grad_cam import grad_cam, grad_cam_plus_plus
from ferjax.explain.integrated_gradients import integrated_gradients
from ferjax.explain.methods import METHODS, SIGNED, check_methods
from ferjax.explain.occlusion import occlusion
from ferjax.explain.smoothgrad import draw, smoothgrad

LAYER = "second"
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


@pytest.fixture(scope="module")
def net():
    return make()


def logits_of(net):
    model, variables, images, _ = net
    return np.asarray(jax.jit(model.apply)(variables, images))


def heat_of(net, name, **options):
    model, variables, images, classes = net
    return np.asarray(jax.jit(partial(METHODS[name], model, **options))(variables, images, classes))


def each(net):
    """(image, class) one after the other, with the slow network."""
    _, variables, images, classes = net
    slow = InNumPy(variables)
    return slow, zip(images, classes, strict=True)


def test_the_slow_network_is_the_same(net):
    _, variables, images, _ = net
    slow = InNumPy(variables)
    np.testing.assert_allclose(logits_of(net), [slow.logits(image) for image in images], **CLOSE)


def mean_gradients(maps, gradient):
    weighted = np.zeros(maps.shape[:2])
    for channel in range(maps.shape[2]):
        weighted += gradient[:, :, channel].mean() * maps[:, :, channel]
    return weighted


def places_weighed_one_by_one(maps, g):
    weighted = np.zeros(maps.shape[:2])
    for channel in range(maps.shape[2]):
        cubes = sum(maps[place][channel] * g[place][channel] ** 3 for place in np.ndindex(*maps.shape[:2]))
        weight = 0.0
        for place in np.ndindex(*maps.shape[:2]):
            own = g[place][channel]
            below = 2 * own**2 + cubes
            if below:
                weight += own**2 / below * max(own, 0)
        weighted += weight * maps[:, :, channel]
    return weighted


def gradient_times_activation(maps, gradient):
    weighted = np.zeros(maps.shape[:2])
    for place in np.ndindex(*maps.shape):
        weighted[place[:2]] += gradient[place] * maps[place]
    return weighted


@pytest.mark.parametrize(
    ("name", "weigh"),
    [
        ("grad_cam", mean_gradients),
        ("grad_cam_plus_plus", places_weighed_one_by_one),
        ("hires_cam", gradient_times_activation),
    ],
)
def test_activation_maps(net, name, weigh):
    slow, pairs = each(net)
    expected = []
    for image, label in pairs:
        maps = slow.maps(image)
        gradient = slow_gradient(lambda a, label=label: slow.tail(a)[label], maps)
        expected.append(slow_enlarge(np.maximum(weigh(maps, gradient), 0), SIZE, SIZE))
    assert np.max(expected) > 0
    np.testing.assert_allclose(heat_of(net, name, layer=LAYER), expected, **CLOSE)


def test_class_activation_map_adds_up_to_the_logit():
    net = make(hidden=0)
    *_, classes = net
    slow, pairs = each(net)
    kernel, bias = (slow.params["fc2"][part] for part in ("kernel", "bias"))
    expected, sums = [], []
    for image, label in pairs:
        maps = slow.maps(image)
        places = maps.shape[0] * maps.shape[1]
        here = np.zeros(maps.shape[:2])
        for channel in range(maps.shape[2]):
            here += kernel[channel, label] * maps[:, :, channel] / places
        sums.append(here.sum() + bias[label])
        expected.append(slow_enlarge(here, SIZE, SIZE))
    np.testing.assert_allclose(heat_of(net, "cam"), expected, **CLOSE)
    np.testing.assert_allclose(sums, logits_of(net)[np.arange(3), classes], **CLOSE)


def test_class_activation_maps_need_one_linear_layer_after_the_average(net):
    with pytest.raises(UserError, match=r"SlowNet does after its last average is not linear: take grad_cam"):
        heat_of(net, "cam")


def test_saliency(net):
    slow, pairs = each(net)
    expected = [
        np.abs(slow_gradient(lambda x, label=label: slow.logits(x)[label], image)).max(-1)
        for image, label in pairs
    ]
    np.testing.assert_allclose(heat_of(net, "saliency"), expected, **CLOSE)


def test_smoothgrad(net):
    slow, pairs = each(net)
    noises = [np.asarray(draw(7, sample, (SIZE, SIZE, 3))) for sample in range(3)]
    assert not np.array_equal(noises[0], noises[1])
    expected = []
    for image, label in pairs:
        total = np.zeros(image.shape)
        for noise in noises:
            noisy = image + np.float32(0.2) * (image.max() - image.min()) * noise
            total += slow_gradient(lambda x, label=label: slow.logits(x)[label], noisy)
        expected.append(np.abs(total / 3).max(-1))
    np.testing.assert_allclose(heat_of(net, "smoothgrad", samples=3, noise=0.2, seed=7), expected, **CLOSE)


def test_smoothgrad_without_noise_is_saliency(net):
    np.testing.assert_allclose(
        heat_of(net, "smoothgrad", samples=2, noise=0.0), heat_of(net, "saliency"), rtol=1e-5, atol=1e-7
    )


def test_integrated_gradients(net):
    slow, pairs = each(net)
    expected = []
    for image, label in pairs:
        way, total = np.asarray(image, np.float64) - 0.25, np.zeros(image.shape)
        for step in range(4):
            between = 0.25 + (step + 0.5) / 4 * way
            total += slow_gradient(lambda x, label=label: slow.logits(x)[label], between)
        expected.append((way * total / 4).sum(-1))
    np.testing.assert_allclose(
        heat_of(net, "integrated_gradients", steps=4, baseline=0.25), expected, **CLOSE
    )


def test_integrated_gradients_are_complete(net):
    """Sundararajan et al., proposition 1: a map adds up to the change of the logit."""
    model, variables, images, classes = net
    grey = (model, variables, np.zeros_like(images), classes)
    change = (logits_of(net) - logits_of(grey))[np.arange(len(images)), classes]
    assert np.abs(change).max() > 1
    sums = heat_of(net, "integrated_gradients", steps=400).sum((1, 2))
    np.testing.assert_allclose(sums, change, atol=0.01)


@pytest.mark.parametrize(("patch", "stride"), [(3, 2), (8, 8), (1, 1), (None, None)])
def test_occlusion(net, patch, stride):
    slow, pairs = each(net)
    size, step = (2, 1) if patch is None else (patch, stride)
    starts = sorted({*range(0, SIZE - size, step), SIZE - size})

    def odds(image, label):
        chances = np.exp(slow.logits(image))
        chances /= chances.sum()
        return np.log(chances[label] / (1 - chances[label]))

    expected = []
    for image, label in pairs:
        falls, counts = np.zeros((SIZE, SIZE)), np.zeros((SIZE, SIZE))
        for top in starts:
            for left in starts:
                covered = image.copy()
                covered[top : top + size, left : left + size] = 0.5
                falls[top : top + size, left : left + size] += odds(image, label) - odds(covered, label)
                counts[top : top + size, left : left + size] += 1
        expected.append(falls / counts)
    found = heat_of(net, "occlusion", patch=patch, stride=stride, fill=0.5)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in METHODS if name != "attention_rollout"])
def test_an_images_heat_does_not_depend_on_the_other_rows(name):
    model, variables, images, classes = make(hidden=0 if name == "cam" else 6)
    whole = heat_of((model, variables, images, classes), name)
    assert whole.shape == (3, SIZE, SIZE)
    assert whole.dtype == np.float32
    assert name in SIGNED or whole.min() >= 0
    # A hot, padded row beside the first image.
    other = np.concatenate([images[:1], np.full_like(images[:1], 50.0)])
    pair = heat_of((model, variables, other, np.array([classes[0], CLASSES - 1], np.int32)), name)
    np.testing.assert_allclose(pair[0], whole[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (partial(smoothgrad, samples=0), "samples ≥ 1"),
        (partial(smoothgrad, noise=-0.1), "noise ≥ 0"),
        (partial(integrated_gradients, steps=0), "steps ≥ 1"),
        (partial(occlusion, patch=9), "patch ≤ 8"),
        (partial(occlusion, patch=2, stride=3), "stride ≤ patch"),
        (partial(grad_cam, layer="secnod"), "no spatial layer 'secnod'; the nearest are second"),
        (partial(grad_cam_plus_plus, layer="fc2"), "no spatial layer 'fc2'"),
    ],
)
def test_options_that_cannot_be(net, call, message):
    model, variables, images, classes = net
    with pytest.raises(UserError, match=message):
        call(model, variables, jnp.asarray(images), jnp.asarray(classes))


def test_unknown_methods_name_the_nearest():
    with pytest.raises(UserError, match="unknown method 'gradcam'; the nearest are grad_cam"):
        check_methods(["saliency", "gradcam"], tuple(METHODS))
    assert check_methods(["saliency", "cam", "saliency"], tuple(METHODS)) == ("saliency", "cam")
