"""Writes measured explanations as a page, as Markdown and as JSON, with the pictures beside them."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ferjax.explain import measure_plots
from ferjax.explain.face_regions import REGIONS, style_of
from ferjax.explain.measure import REFERENCES, Sample
from ferjax.explain.method_names import spoken
from ferjax.files import plain, to_json
from ferjax.platform import outputs
from ferjax.report.document import document
from ferjax.report.figures import inline_svg
from ferjax.report.picture_files import picture_files, write_pictures
from ferjax.report.tables import html_table, markdown
from ferjax.report.wording import number, percent

_VERB = "explain"
_PICTURES = {
    "measured_regions": "What is measured",
    "measured_mean_heat": "Mean heat on the face",
    "measured_curves": "Deletion and insertion",
    "measured_damaged": "Weights replaced by random ones",
}

_LOCATION = (
    "The share of a map's heat on brows, eyes, nose and mouth, the share of the image that these cover, and "
    "the ratio of the two, the density, which is 1 for a map that knows nothing. The contrast is this "
    "density divided by the background's. Then: for how many classes the contrast is above 1, how often the "
    "hottest pixel lies on one of the four parts, and how many maps have no heat at all. Random and middle "
    "know nothing of the network. In the picture, boxes are the parts of the face."
)
_CONTRAST = (
    "Heat per area on brows, eyes, nose and mouth, divided by heat per area on the background; above 1, the "
    "parts of the face are hotter."
)
_FAITHFUL = (
    "Areas under the curves of the class's probability: while the hottest pixels become grey (deletion, "
    "small is good), and while they are restored in a blurred image (insertion, large is good). Wins: images "
    "where the area is better than in random order. The rank correlation compares the map with that of the "
    "same network after all of its weights were replaced by random ones: near 0 is good."
)
_DAMAGED = (
    "From left to right one layer after the other, the logits' first, gets random initial weights. A map "
    "that does not change shows the image, not the network."
)
_SHARES = (
    "Share of the heat on each region, in percent; the last row is the region's share of the image. Images "
    "above: images in which the four parts are hotter than the background, per area."
)


def write_measured(
    folder: Path, figures: Mapping[str, Any], sample: Sample, maps: Mapping[str, np.ndarray]
) -> Path:
    """Writes `measured.html`, `measured.md`, `measured.json` and the pictures.

    Args:
        folder: the folder to write; made if it is missing.
        figures: the figures, see `ferjax.explain.measure.measure`.
        sample: the images that were explained.
        maps: method → heat, float32 `[N, S, S]`.

    Returns:
        The path of the page.
    """
    figures = plain(figures)
    pictures = _pictures(figures, sample, maps)
    write_pictures(_VERB, folder, pictures)
    numbers, text, page, *_ = measured_files(folder)
    outputs.write(_VERB, numbers, to_json(figures))
    outputs.write(_VERB, text, _markdown(figures).encode())
    outputs.write(_VERB, page, _html(figures, pictures).encode())
    return page


def measured_files(folder: Path) -> list[Path]:
    """Lists what `write_measured` writes: the numbers, the text, the page, and the pictures."""
    names = ("measured.json", "measured.md", "measured.html")
    return [*(folder / name for name in names), *picture_files(folder, _PICTURES)]


def _pictures(
    figures: Mapping[str, Any], sample: Sample, maps: Mapping[str, np.ndarray]
) -> dict[str, Figure]:
    names = figures["label_names"]
    _, first = np.unique(sample.classes, return_index=True)
    own = {name: heat for name, heat in maps.items() if name not in REFERENCES}
    return dict(
        zip(
            _PICTURES,
            (
                measure_plots.region_sheet(
                    sample.images[first],
                    sample.regions[first],
                    [names[label] for label in sample.classes[first]],
                ),
                measure_plots.mean_heat(
                    own, sample.poses, sample.classes, names, style_of(figures["dataset"])
                ),
                measure_plots.curves(figures["methods"], REFERENCES),
                measure_plots.damaged(figures["sanity"]),
            ),
            strict=True,
        )
    )


def location_table(figures: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Makes head and rows of where the heat lies: a row a method, means of classes."""
    head = [
        "method", "heat on the parts", "their area", "density", "contrast", "classes above 1", "pointing",
        "blank maps",
    ]  # fmt: skip
    rows = []
    for name, numbers in figures["methods"].items():
        *classes, mean = numbers["classes"]
        above = sum(row["hotter"] for row in classes)
        rows.append(
            [
                spoken(name), percent(mean["face"]["share"], 1), percent(mean["face"]["area"], 1),
                number(mean["face"]["density"], 2), _contrast(mean), f"{above}/{len(classes)}",
                percent(mean["face"]["pointing"], 1), number(mean["blank"]),
            ]
        )  # fmt: skip
    return head, rows


def faithful_table(figures: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Makes head and rows of whether the heat matters, and whether it depends on the weights."""
    head = ["method", "deletion", "wins", "insertion", "wins", "insertion − deletion", "rank correlation"]
    rows = []
    for name, numbers in figures["methods"].items():
        deletion, insertion = numbers["deletion"], numbers["insertion"]
        correlation = figures["sanity"]["correlation"].get(name, [None])[-1]
        rows.append(
            [
                spoken(name), number(deletion["area"], 3), percent(deletion["wins"], 0),
                number(insertion["area"], 3), percent(insertion["wins"], 0),
                _signed(insertion["area"] - deletion["area"], 3), _signed(correlation, 2),
            ]
        )  # fmt: skip
    return head, rows


def contrast_table(figures: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Makes head and rows of the contrast: a row a method, a column a class."""
    *classes, _ = next(iter(figures["methods"].values()))["classes"]
    head = ["method", *(row["name"] for row in classes), "of the mean shares"]
    rows = [
        [spoken(name), *map(_contrast, numbers["classes"])] for name, numbers in figures["methods"].items()
    ]
    return head, rows


def share_table(classes: list[dict]) -> tuple[list[str], list[list[str]]]:
    """Makes head and rows of one method's shares: a row a class, a column a region."""
    head = ["class", *REGIONS, "images above"]
    rows = [
        [
            row["name"],
            *(_hundredths(row["share"][region]) for region in REGIONS),
            percent(row["above"], 0),
        ]
        for row in classes
    ]
    area = classes[-1]["area"]
    return head, [*rows, ["area", *(_hundredths(area[region]) for region in REGIONS), ""]]


def _contrast(row: Mapping[str, Any]) -> str:
    """Formats a contrast; JSON has None for an infinite one, where the background has no heat."""
    return "∞" if row["contrast"] is None and row["hotter"] else number(row["contrast"], 2)


def _signed(value: float | None, digits: int) -> str:
    """Formats a number with a proper minus sign, and zero without one."""
    return number(None if value is None else round(value, digits) + 0.0, digits).replace("-", "−")


def _hundredths(share: float | None) -> str:
    return number(None if share is None else 100 * share, 1)


def _sections(figures: Mapping[str, Any]) -> list[tuple[str, str, str, tuple[list[str], list[list[str]]]]]:
    """Lists title, picture, explanation and table of each part of the document."""
    parts = [
        ("Where the heat lies", "measured_mean_heat", _LOCATION, location_table(figures)),
        ("Class by class", "", _CONTRAST, contrast_table(figures)),
        ("Whether it matters", "measured_curves", _FAITHFUL, faithful_table(figures)),
    ]
    for name, numbers in figures["methods"].items():
        if name not in REFERENCES:
            parts.append((f"Regions: {spoken(name)}", "", _SHARES, share_table(numbers["classes"])))
    return parts


def _about(figures: Mapping[str, Any]) -> str:
    return (
        f"{figures['model']}, trained on {figures['trained_on']}: {figures['images']:,} images of "
        f"{figures['dataset']} {figures['split']} that it classifies correctly, each explained for its class."
    )


def _left_out(figures: Mapping[str, Any]) -> list[str]:
    return [f"Left out, {spoken(name)}: {reason}." for name, reason in figures["left_out"].items()]


def _markdown(figures: Mapping[str, Any]) -> str:
    parts = ["# Measured explanations", _about(figures), *_left_out(figures)]
    parts.append(f"![{_PICTURES['measured_regions']}](measured_regions.png)")
    for title, picture, text, table in _sections(figures):
        parts += [f"## {title}", text, markdown(*table)]
        if picture:
            parts.append(f"![{_PICTURES[picture]}]({picture}.png)")
    parts += [f"## {_PICTURES['measured_damaged']}", _DAMAGED]
    parts.append(f"![{_PICTURES['measured_damaged']}](measured_damaged.png)")
    return "\n\n".join(parts) + "\n"


def _html(figures: Mapping[str, Any], pictures: Mapping[str, Figure]) -> str:
    def drawn(name: str) -> str:
        shown = inline_svg(pictures[name], name, escape(_PICTURES[name]))
        return f'<div class="panel scroll wide full">{shown}</div>'

    notes = "".join(f'<p class="muted">{escape(line)}</p>' for line in _left_out(figures))
    body = [f"{notes}<h2>{_PICTURES['measured_regions']}</h2>{drawn('measured_regions')}"]
    for title, picture, text, table in _sections(figures):
        body.append(
            f'<h2>{escape(title)}</h2><p class="muted">{escape(text)}</p>'
            f'<div class="panel scroll">{html_table(*table)}</div>{drawn(picture) if picture else ""}'
        )
    body.append(
        f'<h2>{_PICTURES["measured_damaged"]}</h2><p class="muted">{_DAMAGED}</p>{drawn("measured_damaged")}'
    )
    return document(
        "Measured explanations",
        "ferjax explain --measure",
        escape(_about(figures)),
        "\n".join(body),
        "The numbers are in <code>measured.json</code> and <code>measured.md</code>, the pictures beside "
        "this page as PNG and SVG.",
    )
