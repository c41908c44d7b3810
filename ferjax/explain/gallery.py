"""One HTML page of explanations: every image with its heat maps side by side; it filters without scripts."""

from html import escape
from pathlib import Path

import numpy as np

from ferjax.explain import gallery_style, tiles
from ferjax.explain.explained import Explained
from ferjax.explain.heat import COLD, WARM, gradient
from ferjax.explain.methods import LAYERED, SIGNED
from ferjax.explain.subjects import UNKNOWN
from ferjax.files import write_atomic
from ferjax.report.document import cards, document
from ferjax.report.embedded import photograph
from ferjax.report.wording import count_of, percent

# What the page calls a method, and what it shows in a sentence.
TITLES = {
    "grad_cam": ("Grad-CAM", "Where the layer's channels are that speak for the class."),
    "grad_cam_plus_plus": (
        "Grad-CAM++",
        "As Grad-CAM; places are weighted one by one, so several of a kind count.",
    ),
    "hires_cam": (
        "HiResCAM",
        "Gradient times activation of a layer, place by place; what comes after the layer may be anything.",
    ),
    "cam": ("CAM", "What each place adds to the class."),
    "occlusion": ("Occlusion", "By how much covering a place lowers the odds of the class."),
    "integrated_gradients": ("Integrated gradients", "The class's score, shared out among the pixels."),
    "smoothgrad": ("SmoothGrad", "How much each pixel moves the class, averaged over noise."),
    "saliency": ("Saliency", "How much each pixel moves the class."),
}
_VIEWS = (("overlay", "Heat on the picture"), ("heat", "Heat alone"), ("face", "Picture alone"))
_OUTCOMES = (("right", "Right"), ("wrong", "Mistakes"))
_LISTED = 4  # classes whose probability is shown


def write_gallery(found: Explained, folder: Path, title: str, subtitle: str) -> Path:
    """Writes `index.html` into a folder; the page refers to no other file.

    Args:
        found: what is shown.
        folder: made if absent.
        title: plain text.
        subtitle: plain text.

    Returns:
        The path of the page.
    """
    page = folder / "index.html"
    write_atomic(page, _html(found, title, subtitle).encode())
    return page


def _html(found: Explained, title: str, subtitle: str) -> str:
    subjects = "".join(_subject(found, row) for row in range(len(found.seen)))
    body = f"""<style>{gallery_style.STYLE}{_filters(found)}</style>
{_cards(found)}
{_unread(found)}
<h2>Image by image</h2>
<p class="muted">The heat is that of the class above it, scaled image by image.</p>
{_controls(found)}
<div class="subjects">{subjects}</div>
<p class="none muted">No image is both.</p>
{tiles.channel_weights(found)}
<h2>What the maps show</h2>
{_legend(found)}"""
    return document(
        title,
        "ferjax explanations",
        escape(subtitle),
        body,
        "Written by <code>ferjax explain</code>. The maps as numbers are in <code>heat.npz</code> beside it. "
        "A map tells what moved this network, not why, and not what moves a person.",
    )


def _cards(found: Explained) -> str:
    known = found.subjects.labels != UNKNOWN
    wrong = int(found.wrong.sum())
    entries = [("Images", f"{len(known):,}", "explained")]
    if known.any():
        entries.append(("Mistakes", f"{wrong:,}", "among those shown, chosen on purpose"))
    sure = found.probabilities.max(-1)
    entries.append(("Mean probability", percent(float(sure.mean()), 1), "of the predicted class"))
    entries.append(("Grad-CAM's layer", found.layer, "--layer takes another"))
    return cards(*entries)


def _unread(found: Explained) -> str:
    rows = [*found.subjects.unread, *found.subjects.skipped]
    if not rows:
        return ""
    listed = "".join(f"<li>{escape(name)} <span>{escape(reason)}</span></li>" for name, reason in rows)
    count = count_of(len(rows), "file")
    return f'<details class="panel notice"><summary>{count} left out</summary><ul>{listed}</ul></details>'


def _shown_classes(found: Explained) -> list[int]:
    return sorted(set(found.predicted.tolist()))


def _filters(found: Explained) -> str:
    """CSS that hides what the chosen buttons leave out."""
    rules = [
        f'main:has(#class-{index}:checked) .subject:not([data-class="{index}"])'
        for index in _shown_classes(found)
    ]
    rules += [
        f'main:has(#outcome-{name}:checked) .subject:not([data-outcome="{name}"])' for name, _ in _OUTCOMES
    ]
    chosen = [
        f"main:has(#class-{index}:checked):has(#outcome-{name}:checked)"
        f':not(:has(.subject[data-class="{index}"][data-outcome="{name}"])) .none'
        for index in _shown_classes(found)
        for name, _ in _OUTCOMES
    ]
    return f"{','.join(rules)} {{ display: none; }}\n{','.join(chosen)} {{ display: block; }}"


def _controls(found: Explained) -> str:
    classes = [("all", "All"), *((str(i), found.label_names[i]) for i in _shown_classes(found))]
    groups = [_radios("class", "Predicted class", classes)]
    if (found.subjects.labels != UNKNOWN).any():
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


def _subject(found: Explained, row: int) -> str:
    label, predicted = int(found.subjects.labels[row]), int(found.predicted[row])
    outcome = "unknown" if label == UNKNOWN else "wrong" if found.wrong[row] else "right"
    names = found.label_names
    maps = "".join(
        tiles.heat_tile(TITLES[method][0], heat[row], names[found.classes[row]])
        for method, heat in found.heat.items()
    )
    return (
        f'<article class="panel subject" data-class="{predicted}" data-outcome="{outcome}" '
        f'style="--photo: url({photograph(found.seen[row])})">{_said(found, row, outcome)}'
        f'<div class="maps">{tiles.picture_tile(found.subjects.names[row])}{maps}'
        f"{tiles.transformer(found, row)}{tiles.regions(found, row)}"
        f"{tiles.squeeze_excitation(found, row)}</div></article>"
    )


def _said(found: Explained, row: int, outcome: str) -> str:
    names, shares = found.label_names, found.probabilities[row]
    label, explained = int(found.subjects.labels[row]), int(found.classes[row])
    verdict = {
        "right": '<span class="chip good">right</span>',
        "wrong": f'<span class="chip bad">is {escape(names[label])}</span>',
        "unknown": "",
    }[outcome]
    listed = list(np.argsort(-shares, kind="stable")[:_LISTED])
    listed += sorted({label, explained} - {UNKNOWN} - set(listed))
    bars = "".join(
        f'<li><span>{escape(names[index])}</span><span class="track"><i class="bar" '
        f'style="width:{100 * shares[index]:.1f}%"></i></span>'
        f"<span>{percent(float(shares[index]), 1)}</span></li>"
        for index in listed
    )
    heat_of = "" if explained == shares.argmax() else f"<small>heat of {escape(names[explained])}</small>"
    return (
        f'<div class="said"><h3>{escape(names[int(shares.argmax())])} {verdict}</h3>'
        f'<p class="muted name">{escape(found.subjects.names[row])}{heat_of}</p>'
        f'<ul class="bars">{bars}</ul></div>'
    )


def _legend(found: Explained) -> str:
    rows = "".join(
        f"<dt>{escape(title)}</dt><dd>{escape(text)}"
        f"{f' Layer <code>{escape(found.layer)}</code>.' if name in LAYERED else ''}"
        f"{' Blue speaks against it.' if name in SIGNED else ''}</dd>"
        for name, (title, text) in TITLES.items()
        if name in found.heat
    )
    rows += "".join(
        f"<dt>{escape(title)}</dt><dd>{escape(text)}</dd>"
        for name, (title, text) in tiles.TITLES.items()
        if name in found.pictures
    )
    warm = f'<i style="background:{gradient(WARM)}"></i><span>for the class</span>'
    cold = f'<span>against the class</span><i style="background:{gradient(COLD, "to left")}"></i>'
    ramp = cold + warm if SIGNED & found.heat.keys() else f"<span>nothing</span>{warm}"
    return f'<div class="panel"><div class="ramp">{ramp}</div><dl class="facts">{rows}</dl></div>'
