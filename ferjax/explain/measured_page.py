"""The measured explanations as a page, as Markdown and as JSON, with the pictures beside them."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ferjax.explain import measured_plots
from ferjax.explain.face_regions import REGIONS, style_of
from ferjax.explain.measured import REFERENCES, Sample
from ferjax.explain.measured_plots import spoken
from ferjax.files import plain, write_atomic, write_json_atomic
from ferjax.report import figures
from ferjax.report.document import document
from ferjax.report.page import write_pictures
from ferjax.report.tables import html_table, markdown
from ferjax.report.wording import number, percent

_PICTURES = {
    "measured_regions": "What is measured",
    "measured_mean_heat": "Mean heat on the face",
    "measured_curves": "Deletion and insertion",
    "measured_damaged": "Weights drawn anew",
}

_LOCATION = (
    "Share of a map's heat that lies on brows, eyes, nose and mouth, the share of the image that these "
    "cover, and the first over the second, which is 1 for a map that knows nothing. The contrast is this "
    "density over the background's. Then: for how many classes the contrast is above 1, how often the "
    "hottest pixel lies on one of the four parts, and how many maps have no heat at all. Random and middle "
    "know nothing of the network. In the picture, boxes are the parts of the face."
)
_CONTRAST = (
    "Heat per area on brows, eyes, nose and mouth over heat per area on the background; above 1, the parts "
    "of the face are hotter."
)
_FAITHFUL = (
    "Areas under the curves of the class's probability: while the hottest pixels become grey (deletion, "
    "small is good), and while they come out of a blur (insertion, large is good). Wins: images where the "
    "area is better than in random order. The rank correlation is that with the map of the same network "
    "after all of its weights were drawn anew: near 0 is good."
)
_DAMAGED = (
    "From left to right one layer after the other, the logits' first, gets initial weights again. A map that "
    "stays as it was shows the image, not the network."
)
_SHARES = (
    "Share of the heat on each region, in percent; the last row is the region's share of the image. Images "
    "above: where the four parts are hotter than the background, per area."
)


def write_measured(
    folder: Path, found: Mapping[str, Any], sample: Sample, maps: Mapping[str, np.ndarray]
) -> Path:
    """Writes `measured.html`, `measured.md`, `measured.json` and the pictures.

    Args:
        folder: where to; made if it is missing.
        found: the figures, see `ferjax.explain.measured.measure`.
        sample: what was explained.
        maps: method → heat, float32 `[N, S, S]`.

    Returns:
        The path of the page.
    """
    found = plain(found)
    pictures = _pictures(found, sample, maps)
    write_pictures(folder, pictures)
    write_json_atomic(folder / "measured.json", found)
    write_atomic(folder / "measured.md", _markdown(found).encode())
    page = folder / "measured.html"
    write_atomic(page, _html(found, pictures).encode())
    return page


def _pictures(found: Mapping[str, Any], sample: Sample, maps: Mapping[str, np.ndarray]) -> dict[str, Figure]:
    names = found["label_names"]
    _, first = np.unique(sample.classes, return_index=True)
    own = {name: heat for name, heat in maps.items() if name not in REFERENCES}
    return dict(
        zip(
            _PICTURES,
            (
                measured_plots.region_sheet(
                    sample.images[first],
                    sample.regions[first],
                    [names[label] for label in sample.classes[first]],
                ),
                measured_plots.mean_heat(
                    own, sample.poses, sample.classes, names, style_of(found["dataset"])
                ),
                measured_plots.curves(found["methods"], REFERENCES),
                measured_plots.damaged(found["sanity"]),
            ),
            strict=True,
        )
    )


def location_table(found: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of where the heat lies: a row a method, means of classes."""
    head = [
        "method", "heat on the parts", "their area", "density", "contrast", "classes above 1", "pointing",
        "blank maps",
    ]  # fmt: skip
    rows = []
    for name, figures_of in found["methods"].items():
        *classes, mean = figures_of["classes"]
        above = sum(row["hotter"] for row in classes)
        rows.append(
            [
                spoken(name), percent(mean["face"]["share"], 1), percent(mean["face"]["area"], 1),
                number(mean["face"]["density"], 2), _contrast(mean), f"{above}/{len(classes)}",
                percent(mean["face"]["pointing"], 1), number(mean["blank"]),
            ]
        )  # fmt: skip
    return head, rows


def faithful_table(found: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of whether the heat matters, and whether it is of the weights."""
    head = ["method", "deletion", "wins", "insertion", "wins", "insertion − deletion", "rank correlation"]
    rows = []
    for name, figures_of in found["methods"].items():
        deletion, insertion = figures_of["deletion"], figures_of["insertion"]
        correlation = found["sanity"]["correlation"].get(name, [None])[-1]
        rows.append(
            [
                spoken(name), number(deletion["area"], 3), percent(deletion["wins"], 0),
                number(insertion["area"], 3), percent(insertion["wins"], 0),
                _signed(insertion["area"] - deletion["area"], 3), _signed(correlation, 2),
            ]
        )  # fmt: skip
    return head, rows


def contrast_table(found: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the contrast: a row a method, a column a class."""
    first = next(iter(found["methods"].values()))
    head = ["method", *(row["name"] for row in first["classes"])]
    rows = [
        [spoken(name), *map(_contrast, figures_of["classes"])]
        for name, figures_of in found["methods"].items()
    ]
    return head, rows


def share_table(classes: list[dict]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of one method's shares: a row a class, a column a region."""
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
    """Infinite where there is no heat on the background, which JSON cannot hold."""
    return "∞" if row["contrast"] is None and row["hotter"] else number(row["contrast"], 2)


def _signed(value: float | None, digits: int) -> str:
    """With a minus sign, and none before zero."""
    return number(None if value is None else round(value, digits) + 0.0, digits).replace("-", "−")


def _hundredths(share: float | None) -> str:
    return number(None if share is None else 100 * share, 1)


def _sections(found: Mapping[str, Any]) -> list[tuple[str, str, str, tuple[list[str], list[list[str]]]]]:
    """Title, picture, explanation and table of each part of the document."""
    parts = [
        ("Where the heat lies", "measured_mean_heat", _LOCATION, location_table(found)),
        ("Class by class", "", _CONTRAST, contrast_table(found)),
        ("Whether it matters", "measured_curves", _FAITHFUL, faithful_table(found)),
    ]
    for name, figures_of in found["methods"].items():
        if name not in REFERENCES:
            parts.append((f"Regions: {spoken(name)}", "", _SHARES, share_table(figures_of["classes"])))
    return parts


def _about(found: Mapping[str, Any]) -> str:
    return (
        f"{found['model']}, trained on {found['trained_on']}: {found['images']:,} images of "
        f"{found['dataset']} {found['split']} that it has right, each explained for its class."
    )


def _left_out(found: Mapping[str, Any]) -> list[str]:
    return [f"Left out, {spoken(name)}: {reason}." for name, reason in found["left_out"].items()]


def _markdown(found: Mapping[str, Any]) -> str:
    parts = ["# Measured explanations", _about(found), *_left_out(found)]
    parts.append(f"![{_PICTURES['measured_regions']}](measured_regions.png)")
    for title, picture, told, table in _sections(found):
        parts += [f"## {title}", told, markdown(*table)]
        if picture:
            parts.append(f"![{_PICTURES[picture]}]({picture}.png)")
    parts += [f"## {_PICTURES['measured_damaged']}", _DAMAGED]
    parts.append(f"![{_PICTURES['measured_damaged']}](measured_damaged.png)")
    return "\n\n".join(parts) + "\n"


def _html(found: Mapping[str, Any], pictures: Mapping[str, Figure]) -> str:
    def drawn(name: str) -> str:
        shown = figures.inline_svg(pictures[name], name, escape(_PICTURES[name]))
        return f'<div class="panel scroll wide full">{shown}</div>'

    notes = "".join(f'<p class="muted">{escape(line)}</p>' for line in _left_out(found))
    body = [f"{notes}<h2>{_PICTURES['measured_regions']}</h2>{drawn('measured_regions')}"]
    for title, picture, told, table in _sections(found):
        body.append(
            f'<h2>{escape(title)}</h2><p class="muted">{escape(told)}</p>'
            f'<div class="panel scroll">{html_table(*table)}</div>{drawn(picture) if picture else ""}'
        )
    body.append(
        f'<h2>{_PICTURES["measured_damaged"]}</h2><p class="muted">{_DAMAGED}</p>{drawn("measured_damaged")}'
    )
    return document(
        "Measured explanations",
        "ferjax explain --measure",
        escape(_about(found)),
        "\n".join(body),
        "The numbers are in <code>measured.json</code> and <code>measured.md</code>, the pictures beside "
        "this page as PNG and SVG.",
    )
