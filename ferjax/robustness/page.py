"""Writes what was measured as one offline page, as Markdown and as JSON."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ferjax.files import plain, to_json
from ferjax.platform import outputs
from ferjax.report.document import cards, document
from ferjax.report.embedded import photograph
from ferjax.report.figures import inline_svg, legend_above, new_figure, quiet
from ferjax.report.palette import LIGHT
from ferjax.report.picture_files import picture_files, write_pictures
from ferjax.report.tables import html_table, markdown
from ferjax.report.wording import number, percent
from ferjax.robustness.measure import STRENGTHS, Broken, Measured

VERB = "robustness"
_FILES = ("robustness.json", "robustness.md", "index.html")
_KINDS = (  # of one picture each: at most three lines are told apart easily
    ("noise", ("gaussian_noise", "impulse_noise", "jpeg")),
    ("sharpness", ("blur", "motion_blur", "resolution")),
    ("light", ("dark", "bright", "side_light")),
    ("face", ("mask", "glasses", "hand")),
    ("others", ("low_contrast", "rotation")),
)
_ROLES = ("series-1", "series-2", "series-3")
_ABOUT = (
    "Accuracy on the same images, damaged in five strengths; error is the mean share of wrong answers over "
    "them. The mean over all kinds weighs each alike."
)
_ATTACKS = (
    "Accuracy when every pixel may be changed by at most the bound (of 0–255), by somebody who knows the "
    "network: one step (FGSM) and ten from a random start (PGD). A stronger attack may find more."
)


def written_files(folder: Path) -> list[Path]:
    """Lists what `write` writes."""
    return [*(folder / name for name in _FILES), *picture_files(folder, ["robustness_curves"])]


def write(folder: Path, measured: Measured, about: Mapping[str, Any]) -> Path:
    """Writes the page, the numbers and the picture of the curves.

    Args:
        folder: where to.
        measured: see `ferjax.robustness.measure.measure`.
        about: `title`, `subtitle` (plain text), `label_names`; with another network to compare with also
            `baseline` (its name) and `relative`, see `ferjax.robustness.measure.relative`.

    Returns:
        The page's path.
    """
    figures = plain(measured.figures)
    picture = curves(figures)
    write_pictures(VERB, folder, {"robustness_curves": picture})
    numbers, text, page, *_ = written_files(folder)
    stored = {key: value for key, value in about.items() if key not in ("title", "subtitle")}
    outputs.write(VERB, numbers, to_json({**stored, **figures}))
    outputs.write(VERB, text, _markdown(figures, about).encode())
    outputs.write(VERB, page, _html(measured, picture, about).encode())
    return page


def curves(figures: Mapping[str, Any]) -> Figure:
    """Draws accuracy against strength, at most three kinds of damage in a panel."""
    measured = figures["corruptions"]
    shown = {title: [name for name in names if name in measured] for title, names in _KINDS}
    shown = {title: names for title, names in shown.items() if names}
    lines = -(-len(shown) // 3)
    figure = new_figure(3.5 * min(len(shown), 3), 3.1 * lines)
    panels = figure.subplots(lines, min(len(shown), 3), squeeze=False).ravel()
    clean = figures["clean"]["accuracy"]
    for axes, (title, names) in zip(panels, shown.items(), strict=False):
        for name, role in zip(names, _ROLES, strict=False):
            values = [clean, *measured[name]["accuracy"]]
            style = {"color": LIGHT[role], "marker": "o", "markersize": 3.5}
            axes.plot(range(len(values)), values, label=_spoken(name), **style)
        quiet(axes, title.capitalize(), "strength")
        axes.set_ylim(0, 1)
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        legend_above(axes)
    for axes in panels[len(shown) :]:
        axes.axis("off")
    return figure


def _spoken(name: str) -> str:
    return name.replace("_", " ")


def corruption_table(
    figures: Mapping[str, Any], about: Mapping[str, Any]
) -> tuple[list[str], list[list[str]]]:
    """Makes head and rows: accuracy of each kind at each strength, its error, and beside a baseline's."""
    ratios = about["relative"]["corruptions"] if "relative" in about else None
    head = ["corruption", *map(str, STRENGTHS), "error", *([f"÷ {about['baseline']}"] if ratios else [])]
    rows = [
        [
            _spoken(name),
            *(percent(accuracy, 1) for accuracy in row["accuracy"]),
            percent(row["error"], 1),
            *([number(ratios[name], 2)] if ratios else []),
        ]
        for name, row in figures["corruptions"].items()
    ]
    mean = ["mean", *[""] * len(STRENGTHS), percent(figures["mean_error"], 1)]
    return head, [*rows, [*mean, *([number(about["relative"]["mean"], 2)] if ratios else [])]]


def attack_table(attacks: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Makes head and rows: accuracy under each attack at each bound."""
    head = ["attack", "0", *(f"{bound:g}" for bound in attacks["bounds"])]
    rows = [
        [name.upper(), percent(attacks["clean"], 1), *(percent(value, 1) for value in attacks[name])]
        for name in ("fgsm", "pgd")
    ]
    return head, rows


def _markdown(figures: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    low, high = figures["clean"]["interval"]
    parts = [
        f"# {about['title']}",
        about["subtitle"],
        f"Clean: {percent(figures['clean']['accuracy'], 1)} of {figures['images']:,} images "
        f"(95% {percent(low, 1)} to {percent(high, 1)}).",
        _ABOUT,
        markdown(*corruption_table(figures, about)),
        "![Accuracy by strength](robustness_curves.png)",
    ]
    if "attacks" in figures:
        parts += [_attacked(figures["attacks"]), markdown(*attack_table(figures["attacks"]))]
    return "\n\n".join(parts) + "\n"


def _attacked(attacks: Mapping[str, Any]) -> str:
    return f"{_ATTACKS} On {attacks['images']:,} images."


def _html(measured: Measured, picture: Figure, about: Mapping[str, Any]) -> str:
    figures = measured.figures
    worst = max(figures["corruptions"], key=lambda name: figures["corruptions"][name]["error"])
    low, high = (percent(end, 1) for end in figures["clean"]["interval"])
    shown = cards(
        (
            "Mean accuracy when damaged",
            percent(1 - figures["mean_error"], 1),
            f"{len(figures['corruptions'])} kinds of damage, 5 strengths",
        ),
        ("Clean accuracy", percent(figures["clean"]["accuracy"], 1), f"95%: {low} to {high}"),
        ("Images", number(figures["images"]), f"seed {figures['seed']}"),
        ("Hardest", _spoken(worst), f"{percent(figures['corruptions'][worst]['error'], 1)} wrong"),
    )
    drawn = inline_svg(picture, "curves", "Accuracy against strength; the table below has the numbers")
    body = [
        shown,
        f'<h2>By kind of damage</h2><p class="muted">{_ABOUT}</p>',
        f'<div class="panel scroll wide full">{drawn}</div>',
        f'<div class="panel scroll wide">{html_table(*corruption_table(figures, about))}</div>',
    ]
    if "attacks" in figures:
        body.append(
            f'<h2>Adversarial noise</h2><p class="muted">{_attacked(figures["attacks"])}</p>'
            f'<div class="panel scroll">{html_table(*attack_table(figures["attacks"]))}</div>'
        )
    body += [
        '<h2>Broken by the least damage</h2><p class="muted">Images that are answered rightly when clean; '
        "the surest wrong answers at the lowest strengths.</p>",
        _broken_gallery(measured, about["label_names"]),
        '<h2>What the damage looks like</h2><p class="muted">The first image at strengths 1, 3 and 5.</p>',
        f'<div class="gallery">{"".join(_example(*entry) for entry in measured.examples.items())}</div>',
    ]
    return document(
        about["title"],
        "ferjax robustness",
        escape(about["subtitle"]),
        "\n".join(body),
        "The numbers are in <code>robustness.json</code> and <code>robustness.md</code>, the curves beside "
        "this page as PNG and SVG.",
    )


def _broken_gallery(measured: Measured, label_names: list[str]) -> str:
    if not measured.broken:
        return "<p>No image was.</p>"
    figures = [_broken(row, label_names, measured.indices[row.row]) for row in measured.broken]
    return f'<div class="gallery">{"".join(figures)}</div>'


def _broken(row: Broken, label_names: list[str], index: int) -> str:
    return (
        f'<figure class="panel mistake"><img alt="" src="{photograph(row.pixels)}"><figcaption>'
        f"<b>{escape(label_names[row.predicted])}</b> {percent(row.probability, 0)}"
        f"<span>is {escape(label_names[row.actual])}</span>"
        f"<small>{_spoken(row.corruption)} {row.strength}, image {index:,}</small></figcaption></figure>"
    )


def _example(name: str, images: list) -> str:
    pictures = "".join(f'<img alt="" src="{photograph(image)}">' for image in images)
    return f'<figure class="panel mistake">{pictures}<figcaption>{_spoken(name)}</figcaption></figure>'
