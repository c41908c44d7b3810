"""Writes one HTML page of explanations: every image beside its heat maps; its filters need no scripts."""

from html import escape
from pathlib import Path

import numpy as np

from ferjax.explain import gallery_css, gallery_tiles
from ferjax.explain.heat_colours import COLD, WARM, gradient
from ferjax.explain.method_names import TITLES
from ferjax.explain.methods import LAYERED, SIGNED
from ferjax.explain.run_methods import Explained
from ferjax.explain.subjects import UNKNOWN
from ferjax.platform import outputs
from ferjax.report.document import cards, document
from ferjax.report.embedded import photograph
from ferjax.report.wording import count_of, percent

VERB, PAGE = "explain", "index.html"
_VIEWS = (("overlay", "Heat on the picture"), ("heat", "Heat alone"), ("face", "Picture alone"))
_OUTCOMES = (("right", "Right"), ("wrong", "Mistakes"))
_LISTED = 4  # classes whose probability is shown


def write_gallery(explained: Explained, folder: Path, title: str, subtitle: str) -> Path:
    """Writes `index.html` into a folder; the page refers to no other file.

    Args:
        explained: the explanations to show.
        folder: made if absent.
        title: plain text.
        subtitle: plain text.

    Returns:
        The path of the page.
    """
    page = folder / PAGE
    outputs.write(VERB, page, _html(explained, title, subtitle).encode())
    return page


def _html(explained: Explained, title: str, subtitle: str) -> str:
    subjects = "".join(_subject(explained, row) for row in range(len(explained.seen)))
    body = f"""<style>{gallery_css.STYLE}{_filters(explained)}</style>
{_cards(explained)}
{_unread(explained)}
<h2>Image by image</h2>
<p class="muted">The heat is that of the class named beside it, scaled image by image.</p>
{_ramp(explained)}
{_controls(explained)}
<div class="subjects">{subjects}</div>
<p class="none muted">No image fits both filters.</p>
{gallery_tiles.channel_weights(explained)}
<h2>What the maps show</h2>
{_legend(explained)}"""
    return document(
        title,
        "ferjax explanations",
        escape(subtitle),
        body,
        "Written by <code>ferjax explain</code>. The maps as numbers are in <code>heat.npz</code> beside it. "
        "A map shows what influenced this network; it does not show why, nor what influences a person.",
    )


def _cards(explained: Explained) -> str:
    known = explained.subjects.labels != UNKNOWN
    wrong = int(explained.wrong.sum())
    entries = [("Images", f"{len(known):,}", "explained")]
    if known.any():
        entries.append(("Mistakes", f"{wrong:,}", "among the images chosen, not of the whole set"))
    sure = explained.probabilities.max(-1)
    entries.append(("Mean probability", percent(float(sure.mean()), 1), "of the predicted class"))
    entries.append(("Grad-CAM's layer", explained.layer, "choose another with --layer"))
    return cards(*entries)


def _unread(explained: Explained) -> str:
    rows = [*explained.subjects.unread, *explained.subjects.skipped]
    if not rows:
        return ""
    listed = "".join(f"<li>{escape(name)} <span>{escape(reason)}</span></li>" for name, reason in rows)
    count = count_of(len(rows), "file")
    return f'<details class="panel notice"><summary>{count} left out</summary><ul>{listed}</ul></details>'


def _shown_classes(explained: Explained) -> list[int]:
    return sorted(set(explained.predicted.tolist()))


def _filters(explained: Explained) -> str:
    """Writes the CSS that hides the images that do not fit the chosen buttons."""
    rules = [
        f'main:has(#class-{index}:checked) .subject:not([data-class="{index}"])'
        for index in _shown_classes(explained)
    ]
    rules += [
        f'main:has(#outcome-{name}:checked) .subject:not([data-outcome="{name}"])' for name, _ in _OUTCOMES
    ]
    chosen = [
        f"main:has(#class-{index}:checked):has(#outcome-{name}:checked)"
        f':not(:has(.subject[data-class="{index}"][data-outcome="{name}"])) .none'
        for index in _shown_classes(explained)
        for name, _ in _OUTCOMES
    ]
    return f"{','.join(rules)} {{ display: none; }}\n{','.join(chosen)} {{ display: block; }}"


def _controls(explained: Explained) -> str:
    classes = [("all", "All"), *((str(i), explained.label_names[i]) for i in _shown_classes(explained))]
    groups = [_radios("class", "Predicted class", classes)]
    if (explained.subjects.labels != UNKNOWN).any():
        groups.append(_radios("outcome", "Outcome", [("all", "All"), *_OUTCOMES]))
    groups.append(_radios("view", "View", list(_VIEWS)))
    return f'<form class="controls panel">{"".join(groups)}</form>'


def _radios(group: str, title: str, choices: list[tuple[str, str]]) -> str:
    buttons = "".join(
        f'<input type="radio" name="{group}" id="{group}-{value}"{" checked" if position == 0 else ""}>'
        f'<label for="{group}-{value}">{escape(name)}</label>'
        for position, (value, name) in enumerate(choices)
    )
    return f'<fieldset><legend>{title}</legend><div class="choices">{buttons}</div></fieldset>'


def _subject(explained: Explained, row: int) -> str:
    label, predicted = int(explained.subjects.labels[row]), int(explained.predicted[row])
    outcome = "unknown" if label == UNKNOWN else "wrong" if explained.wrong[row] else "right"
    names = explained.label_names
    maps = "".join(
        gallery_tiles.heat_tile(TITLES[method][0], heat[row], names[explained.classes[row]])
        for method, heat in explained.heat.items()
    )
    return (
        f'<article class="panel subject" data-class="{predicted}" data-outcome="{outcome}" '
        f'style="--photo: url({photograph(explained.seen[row])})">{_predictions(explained, row, outcome)}'
        f'<div class="maps">{gallery_tiles.picture_tile(explained.subjects.names[row])}{maps}'
        f"{gallery_tiles.transformer(explained, row)}{gallery_tiles.regions(explained, row)}"
        f"{gallery_tiles.squeeze_excitation(explained, row)}</div></article>"
    )


def _predictions(explained: Explained, row: int, outcome: str) -> str:
    names, shares = explained.label_names, explained.probabilities[row]
    label, chosen = int(explained.subjects.labels[row]), int(explained.classes[row])
    verdict = {
        "right": '<span class="chip good">right</span>',
        "wrong": f'<span class="chip bad">is {escape(names[label])}</span>',
        "unknown": "",
    }[outcome]
    listed = list(np.argsort(-shares, kind="stable")[:_LISTED])
    listed += sorted({label, chosen} - {UNKNOWN} - set(listed))
    bars = "".join(
        f'<li><span>{escape(names[index])}</span><span class="track"><i class="bar" '
        f'style="width:{100 * shares[index]:.1f}%"></i></span>'
        f"<span>{percent(float(shares[index]), 1)}</span></li>"
        for index in listed
    )
    heat_of = "" if chosen == shares.argmax() else f"<small>heat of {escape(names[chosen])}</small>"
    return (
        f'<div class="said"><h3>{escape(names[int(shares.argmax())])} {verdict}</h3>'
        f'<p class="muted name">{escape(explained.subjects.names[row])}{heat_of}</p>'
        f'<ul class="bars">{bars}</ul></div>'
    )


def _ramp(explained: Explained) -> str:
    """Makes the scale of the heat's colours."""
    warm = f'<i style="background:{gradient(WARM)}"></i><span>for the class</span>'
    cold = f'<span>against the class</span><i style="background:{gradient(COLD, "to left")}"></i>'
    ramp = cold + warm if SIGNED & explained.heat.keys() else f"<span>nothing</span>{warm}"
    return f'<div class="ramp">{ramp}</div>'


def _legend(explained: Explained) -> str:
    rows = "".join(
        f"<dt>{escape(title)}</dt><dd>{escape(text)}"
        f"{f' Layer <code>{escape(explained.layer)}</code>.' if name in LAYERED else ''}"
        f"{' Blue speaks against it.' if name in SIGNED else ''}</dd>"
        for name, (title, text) in TITLES.items()
        if name in explained.heat
    )
    rows += "".join(
        f"<dt>{escape(title)}</dt><dd>{escape(text)}</dd>"
        for name, (title, text) in gallery_tiles.TITLES.items()
        if name in explained.pictures
    )
    return f'<div class="panel"><dl class="facts">{rows}</dl></div>'
