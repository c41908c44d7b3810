"""The small pictures of the gallery: a heat map, a transformer's view, RAN's regions, SE blocks."""

import io
from html import escape
from typing import Any

import numpy as np
from PIL import Image

from ferjax.explain.explained import Explained
from ferjax.explain.heat import png, scaled
from ferjax.explain.subjects import SURE
from ferjax.layers.regions import REGIONS
from ferjax.report.embedded import data_uri
from ferjax.report.wording import percent

TITLES = {
    "squeeze_excitation": (
        "SE blocks",
        "How strongly a block's channels respond at each place after they were weighed, their mean above the "
        "image's least; below it the channel weights in order, dark is near 1. Of images above "
        f"{SURE:.2f}, and of mistakes.",
    ),
    "transformer": (
        "Spatial transformer",
        "The frame on the picture is what the transformer looked at; beside it what it saw. A second "
        "transformer looks at what the first one gave, so its frame is drawn through the first.",
    ),
    "regions": ("Regions", "What share of its decision RAN's two attentions give to each region."),
}
_CORNERS = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], float)  # (x, y), clockwise


def picture_tile(name: str) -> str:
    """The subject's picture alone."""
    return _tile("Picture", f'<div role="img" aria-label="{escape(name)}"></div>', " picture")


def heat_tile(title: str, heat: np.ndarray, class_name: str) -> str:
    """A map `[H, W]` on the subject's picture."""
    uri = data_uri(png(scaled(heat[None])[0]), "png")
    title = title if heat.any() else f"{title}: nothing speaks for it"
    return _tile(title, f'<img alt="{escape(title)} of {escape(class_name)}" src="{uri}">')


def _tile(title: str, inside: str, kind: str = "") -> str:
    return (
        f'<figure class="tile{kind}"><div class="stack">{inside}</div>'
        f"<figcaption>{escape(title)}</figcaption></figure>"
    )


def squeeze_excitation(found: Explained, row: int) -> str:
    """A tile for every SE block, if the network is sure of the image or wrong about it."""
    blocks = found.pictures.get("squeeze_excitation", {})
    told = found.probabilities[row].max() > SURE or found.wrong[row]
    if not blocks or not told:
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


def channel_weights(found: Explained) -> str:
    """A section with the mean channel weights of every SE block, a row for each predicted class."""
    blocks = found.pictures.get("squeeze_excitation")
    if not blocks:
        return ""
    classes = sorted(set(found.predicted.tolist()))
    names = "".join(f"<li>{escape(found.label_names[index])}</li>" for index in classes)
    drawn = []
    for block, values in blocks.items():
        means = np.stack([values["weights"][found.predicted == index].mean(0) for index in classes])
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
        "predicted class, each column a channel, from the least to the most weighed; the darker, the more. "
        f'Where rows differ, the block tells classes apart.</p><div class="panel">{"".join(drawn)}</div>'
    )


def transformer(found: Explained, row: int) -> str:
    """The frames of all spatial transformers on the picture, and what each one saw."""
    looks = found.pictures.get("transformer", {})
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
        label = f'<img alt="what {escape(name)} saw" src="{uri}">'
        shown.append(_tile(f"{name}", label, f" plain frame-{number}"))
    return "".join(shown)


def frames_of(thetas: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The corners of each transformer's view in the image: [−1, 1], (x, y), `[4, 2]`.

    Args:
        thetas: `[2, 3]` each, in the order of the calls; a transformer looks at the view of the one before.
    """
    corners, through = {}, np.eye(3)
    for name, theta in thetas.items():
        through = through @ np.vstack([theta, (0, 0, 1)])
        corners[name] = (np.column_stack([_CORNERS, np.ones(4)]) @ through.T)[:, :2]
    return corners


def _points(corners: np.ndarray) -> str:
    return " ".join(f"{x:.4f},{y:.4f}" for x, y in corners)


def regions(found: Explained, row: int) -> str:
    """The seven regions as crops with their shares."""
    weights: dict[str, Any] = found.pictures.get("regions", {})
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


def _grey(values: np.ndarray) -> bytes:
    """`[H, W]` in [0, 1] as a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(np.rint(values.clip(0, 1) * 255).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()
