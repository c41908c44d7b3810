"""Measures explanations on the toons: place of the heat, its effect, its dependence on the weights.

Every method explains the same images, which the network classifies correctly, for their class. Two reference
maps that know nothing of the network are measured beside them: one in random order, and one that is hot in
the middle of the image, where faces are.
"""

import dataclasses
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, UInt8

from ferjax.augment import normalise
from ferjax.augment.crops import views
from ferjax.data.label_spaces import positions
from ferjax.data.sources import Source
from ferjax.data.toons.pose import SIZE
from ferjax.errors import UserError
from ferjax.explain import faithfulness, localisation, sanity
from ferjax.explain.face_regions import FACE, REGIONS, region_maps, style_of
from ferjax.explain.methods import METHODS
from ferjax.explain.run_methods import in_batches, network_input
from ferjax.inference.classifier import Classifier
from ferjax.inference.trained import Trained
from ferjax.platform.machine import describe_devices
from ferjax.platform.progress_bar import progress
from ferjax.platform.versions import library_versions

REFERENCES = ("random", "middle")
PER_CLASS = 20
# For the sanity test, so many images of each class are explained again at so many steps of the cascade.
_SANITY_PER_CLASS, _SANITY_STEPS = 2, 7
_MIDDLE = 1 / 4  # standard deviation of the map `middle`, as a share of the image's side


@dataclasses.dataclass(frozen=True)
class Sample:
    """The images that all methods explain.

    Attributes:
        images: float32 `[N, S, S, 3]`, the network's normalised input.
        classes: int32 `[N]`, the network's classes, predicted and true.
        regions: uint8 `[N, S, S]`, numbers of `ferjax.explain.face_regions.REGIONS`.
        poses: float32 `[N, 2, 3]`, pixels of the canonical face → pixels of `images`.
    """

    images: Float[np.ndarray, "N S S 3"]
    classes: Int[np.ndarray, " N"]
    regions: UInt8[np.ndarray, "N S S"]
    poses: Float[np.ndarray, "N 2 3"]


def choose(network: Trained, source: Source, per_class: int) -> Sample:
    """Chooses the first images of each class that the network classifies correctly.

    Args:
        network: the trained network.
        source: a set of toons, with images at the size that the network reads.
        per_class: images of each class at most.

    Raises:
        UserError: the set is no set of toons, `per_class` is below 1, or the network classifies none
            correctly.
    """
    style = style_of(source.name)
    if per_class < 1:
        raise UserError(f"at least one image of each class must be measured, not {per_class}")
    targets = positions(source.label_names, network.label_names)[source.labels]
    pixels = source.take(np.arange(len(source)))["image"]
    predicted = Classifier.of(network).probabilities(pixels).argmax(1)
    chosen = np.concatenate(
        [
            np.flatnonzero((targets == k) & (predicted == k))[:per_class]
            for k in range(len(network.label_names))
        ]
    )
    if not chosen.size:
        raise UserError(
            f"the network classifies no image of {source.name} {source.split} correctly; train it longer"
        )
    examples = [source[index] for index in chosen]
    size, read = network.image_size, network.input_size
    maps = region_maps(style, examples, read)[..., None]
    poses = np.stack([example["pose"] for example in examples]) * np.float32(read / SIZE)
    poses[:, :, 2] -= round((read - size) / 2)  # the centre crop cuts off this border
    seen = network_input(network, pixels[chosen])
    return Sample(
        np.asarray(normalise(jnp.asarray(seen))),
        targets[chosen].astype(np.int32),
        np.asarray(views(jnp.asarray(maps), size, "none")[0][..., 0]),
        poses,
    )


def measure(
    network: Trained, source: Source, per_class: int = PER_CLASS, methods: Sequence[str] | None = None
) -> tuple[dict[str, Any], Sample, dict[str, np.ndarray]]:
    """Explains the chosen images by every method and measures the maps.

    Args:
        network: the trained one.
        source: see `choose`.
        per_class: images of each class at most.
        methods: names in `METHODS`; all of them if None.

    Returns:
        The figures, which JSON can hold; the sample; and each map's heat, float32 `[N, S, S]`. In the
        figures, `methods` has for each method and reference `classes`, see `localisation.scores`, and for
        `deletion` and `insertion` the mean `curve`, its `area`, and `wins`, the share of the images where it
        is better than the random map's; `sanity` has some of the `layers` in the order in which they were
        replaced, among them the first and the last, and each method's mean `correlation` after each of them;
        `left_out` has the reason for each method that cannot explain the network.

    Raises:
        UserError: the set is no set of toons, the network classifies no image correctly, or no method can
            explain it.
    """
    sample = choose(network, source, per_class)
    variables = jax.device_put(network.variables)
    names = tuple(METHODS if methods is None else methods)
    heat: dict[str, np.ndarray] = {}
    left_out: dict[str, str] = {}
    explain = {name: jax.jit(partial(METHODS[name], network.model)) for name in names}
    for name in progress("explaining", "methods", names):
        try:
            heat[name] = _heat(explain[name], variables, sample.images, sample.classes)
        except UserError as error:
            left_out[name] = str(error)
    if not heat:
        raise UserError(f"no method can explain this network: {'; '.join(left_out.values())}")
    maps = heat | _references(sample)
    few = _first_of_each(sample.classes, _SANITY_PER_CLASS)
    figures = {
        "model": network.config.model.name,
        "trained_on": network.config.data.name,
        "dataset": source.name,
        "split": source.split,
        "images": len(sample.images),
        "label_names": network.label_names,
        "regions": REGIONS,
        "face": list(FACE),
        "methods": _measured(network, variables, sample, maps),
        "sanity": _sanity(network, {name: explain[name] for name in heat}, sample, heat, few),
        "left_out": left_out,
        "device": describe_devices(),
        "versions": library_versions(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return figures, sample, maps


def _heat(
    explain: Callable[..., Any], variables: Any, images: np.ndarray, classes: np.ndarray
) -> Float[np.ndarray, "N S S"]:
    return in_batches(partial(explain, variables), images, classes)


def _references(sample: Sample) -> dict[str, np.ndarray]:
    """Makes the maps that know nothing of the network, by the names in `REFERENCES`."""
    count, size = sample.regions.shape[:2]
    random = np.random.default_rng(0).random((count, size, size), np.float32)
    places = (np.arange(size) + 0.5) / size - 0.5
    middle = np.exp(-(places[:, None] ** 2 + places**2) / (2 * _MIDDLE**2)).astype(np.float32)
    return dict(zip(REFERENCES, (random, np.broadcast_to(middle, random.shape)), strict=True))


def _measured(
    network: Trained, variables: Any, sample: Sample, maps: dict[str, np.ndarray]
) -> dict[str, dict[str, Any]]:
    """Computes the figures of each map: where it lies and whether it matters."""
    curves: dict[str, dict[str, np.ndarray]] = {}
    for kind, curve in (
        ("deletion", faithfulness.deletion_curve), ("insertion", faithfulness.insertion_curve)
    ):  # fmt: skip
        compute = partial(jax.jit(partial(curve, network.model)), variables)
        curves[kind] = {
            name: in_batches(compute, sample.images, sample.classes, heat)
            for name, heat in progress(kind, "maps", maps.items())
        }
    figures: dict[str, dict[str, Any]] = {}
    for name, heat in maps.items():
        figures[name] = {
            "classes": localisation.scores(heat, sample.regions, sample.classes, network.label_names)
        }
        for kind, better in (("deletion", np.less), ("insertion", np.greater)):
            own, chance = (faithfulness.area(curves[kind][which]) for which in (name, "random"))
            figures[name][kind] = {
                "area": float(own.mean()),
                "wins": float(better(own, chance).mean()),
                "curve": curves[kind][name].mean(0).tolist(),
            }
    return figures


def _sanity(
    network: Trained,
    explain: dict[str, Callable],
    sample: Sample,
    heat: dict[str, np.ndarray],
    few: np.ndarray,
) -> dict[str, Any]:
    """Correlates maps with those of networks in which more and more layers have random weights."""
    images, classes = sample.images[few], sample.classes[few]
    layers: list[str] = []
    correlation: dict[str, list[float]] = {name: [] for name in explain}
    order = sanity.call_order(network.model, network.variables["params"], images.shape[1:3])[::-1]
    last = len(order) - 1
    measured = {order[round(i)] for i in np.linspace(0, last, min(_SANITY_STEPS, len(order)))}
    stages = sanity.cascade(network.model, network.variables, images.shape[1:3])
    for layer, damaged in progress("replacing weights", "layers", stages, total=last + 1):
        if layer not in measured:
            continue
        layers.append(layer)
        damaged = jax.device_put(damaged)
        for name, method in explain.items():
            each = sanity.rank_correlation(heat[name][few], _heat(method, damaged, images, classes))
            correlation[name].append(float(np.nanmean(each)) if np.isfinite(each).any() else np.nan)
    return {"images": len(few), "layers": layers, "correlation": correlation}


def _first_of_each(classes: np.ndarray, count: int) -> np.ndarray:
    """Returns the indices of the first images of each class, ascending."""
    return np.sort(np.concatenate([np.flatnonzero(classes == k)[:count] for k in np.unique(classes)]))
