"""Draws the small pictures of the gallery: heat maps, transformers' views, RAN's regions, SE blocks."""

import io
from html import escape
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image

from ferjax.explain.heat_colours import png, scaled
from ferjax.explain.run_methods import Explained
from ferjax.explain.subjects import SURE
from ferjax.layers.regions import REGIONS
from ferjax.report.embedded import data_uri
from ferjax.report.wording import percent

TITLES = {
    "squeeze_excitation": (
        "SE blocks",
        "The mean strength of a block's channels at each place, after weighting; below it the channel "
        f"weights in order, dark is near 1. Shown for probabilities above {SURE:.2f} and for mistakes.",
    ),
    "transformer": (
        "Spatial transformer",
        "The frame on the picture is the part that the transformer sampled; beside it the sampled view. A "
        "second transformer samples the first one's view, so its frame is drawn through the first.",
    ),
    "regions": ("Regions", "The share of RAN's decision that its two attentions give to each region."),
}
_CORNERS = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], float)  # (x, y), clockwise


def picture_tile(name: str) -> str:
    """Draws the picture alone."""
    return _tile("Picture", f'<div role="img" aria-label="{escape(name)}"></div>', " picture")


def heat_tile(title: str, heat: Float[np.ndarray, "H W"], class_name: str) -> str:
    """Draws a map on the picture."""
    uri = data_uri(png(scaled(heat[None])[0]), "png")
    title = title if heat.any() else f"{title}: nothing speaks for it"
    return _tile(title, f'<img alt="{escape(title)} of {escape(class_name)}" src="{uri}">')


def _tile(title: str, inside: str, kind: str = "") -> str:
    return (
        f'<figure class="tile{kind}"><div class="stack">{inside}</div>'
        f"<figcaption>{escape(title)}</figcaption></figure>"
    )


def squeeze_excitation(explained: Explained, row: int) -> str:
    """Draws a tile for every SE block, if the network is sure of the image or wrong about it."""
    blocks = explained.pictures.get("squeeze_excitation", {})
    sure = explained.probabilities[row].max() > SURE
    if not blocks or not (sure or explained.wrong[row]):
        return ""
    shown = []
    for block, values in blocks.items():
        strength = values["after"][row][None]
        uri = data_uri(png(scaled(strength - strength.min())[0]), "png")
        strip = data_uri(_grey(1 - np.sort(values["weights"][row])[None, ::-1]), "png")
        shown.append(
            f'<figure class="tile"><div class="stack"><img alt="feature map of {escape(block)}" src="{uri}">'
            "</div>"
            f'<img class="strip" alt="channel weights of {escape(block)}" src="{strip}">'
            f"<figcaption>SE block {escape(block.removesuffix('/se'))}</figcaption></figure>"
        )
    return "".join(shown)


def channel_weights(explained: Explained) -> str:
    """Draws a section with the mean channel weights of every SE block, a row for each predicted class."""
    blocks = explained.pictures.get("squeeze_excitation")
    if not blocks:
        return ""
    classes = sorted(set(explained.predicted.tolist()))
    names = "".join(f"<li>{escape(explained.label_names[index])}</li>" for index in classes)
    drawn = []
    for block, values in blocks.items():
        means = np.stack([values["weights"][explained.predicted == index].mean(0) for index in classes])
        ordered = means[:, np.argsort(means.mean(0), kind="stable")]
        low, high = values["weights"].min(), values["weights"].max()
        uri = data_uri(_grey((high - ordered) / max(high - low, 1e-9)), "png")
        drawn.append(
            f'<div class="weights"><ul>{names}</ul><figure><img alt="channel weights of {escape(block)}" '
            f'style="height:{1.5 * len(classes):.1f}rem" src="{uri}"><figcaption><b>{escape(block)}</b> '
            f"{means.shape[1]} channels, weights {low:.2f} to {high:.2f}</figcaption></figure></div>"
        )
    return (
        '<h2>Channel weights by class</h2><p class="muted">Each row is the mean over the images of a '
        "predicted class, each column a channel, in the order of their mean weight; darker is larger. "
        f'Where rows differ, the block distinguishes classes.</p><div class="panel">{"".join(drawn)}</div>'
    )


def transformer(explained: Explained, row: int) -> str:
    """Draws the frames of all spatial transformers on the picture, and the view of each."""
    looks = explained.pictures.get("transformer", {})
    if not looks:
        return ""
    frames = frames_of({name: values["theta"][row] for name, values in looks.items()})
    lines = "".join(
        f'<polygon class="frame-{number}" points="{_points(corners)}"/>'
        for number, corners in enumerate(frames.values())
    )
    shown = [
        _tile("Transformer's frame", f'<svg viewBox="-1 -1 2 2" aria-hidden="true">{lines}</svg>', " framed")
    ]
    for number, (name, values) in enumerate(looks.items()):
        view = values["view"][row].astype(np.float64)
        low, high = view.min(), view.max()
        uri = data_uri(_grey((view - low) / max(high - low, 1e-9)), "png")
        label = f'<img alt="the view of {escape(name)}" src="{uri}">'
        shown.append(_tile(f"{name}", label, f" plain frame-{number}"))
    return "".join(shown)


def frames_of(thetas: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Computes the corners of each transformer's view in the image: [−1, 1], (x, y), `[4, 2]`.

    Args:
        thetas: `[2, 3]` each, in the order of the calls; a transformer samples the view of the one before.
    """
    corners, through = {}, np.eye(3)
    for name, theta in thetas.items():
        through = through @ np.vstack([theta, (0, 0, 1)])
        corners[name] = (np.column_stack([_CORNERS, np.ones(4)]) @ through.T)[:, :2]
    return corners


def _points(corners: np.ndarray) -> str:
    return " ".join(f"{x:.4f},{y:.4f}" for x, y in corners)


def regions(explained: Explained, row: int) -> str:
    """Draws the seven regions as crops with their shares."""
    weights: dict[str, Any] = explained.pictures.get("regions", {})
    if not weights:
        return ""
    places = ("0 0", "50% 0", "100% 0", "0 100%", "50% 100%", "100% 100%")
    crops = "".join(
        f'<li><div class="crop" style="background-position:{place};background-size:{size}"></div>'
        f'<span>{escape(name)}</span><b>{percent(float(share), 1)}</b><span class="track">'
        f'<i class="bar" style="width:{100 * share:.1f}%"></i></span></li>'
        for name, share, place, size in zip(
            REGIONS, weights["weights"][row], ("0 0", *places), ("100%", *["133.34%"] * 6), strict=True
        )
    )
    return f'<ul class="regions">{crops}</ul>'


def _grey(values: Float[np.ndarray, "H W"]) -> bytes:
    """Encodes values in [0, 1] as a grey PNG."""
    buffer = io.BytesIO()
    Image.fromarray(np.rint(values.clip(0, 1) * 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()
