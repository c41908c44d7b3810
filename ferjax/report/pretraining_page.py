"""Writes the page of a run of pre-training: losses, curves, and pictures of what the network has learnt."""

from html import escape
from pathlib import Path

from matplotlib.figure import Figure

from ferjax.platform import outputs
from ferjax.report import curve_plots, sections
from ferjax.report.document import cards, document
from ferjax.report.embedded import photograph
from ferjax.report.markdown import plain
from ferjax.report.picture_files import picture_files, write_pictures
from ferjax.report.run import Run
from ferjax.report.tables import losses_line, markdown
from ferjax.report.wording import day, duration, memory, number, percent
from ferjax.runs import pretraining_pictures
from ferjax.runs.pretraining_pictures import Pictures, ViewPairs
from ferjax.runs.result import METHOD

_FILLED_IN = (
    "Validation images: as they are, with the patches that were hidden, and with these filled in by the "
    "network. Where it learns normalised patches, it guesses no brightness and no contrast: each patch is "
    "drawn with those of the original."
)
_VIEWS = (
    "Validation images, and two views of each as they are drawn to learn from. The cosine is that between "
    "what the network makes of the two; where others are nearer, so many images of up to 256 have a second "
    "view that is nearer to the first one."
)
# What the losses are, by the method.
_LOSSES = {
    "mae": "mean squared error of hidden patches",
    "simclr": "cross entropy of finding an image's other view",
}
_NEXT = "Its network has no classifier: the next step is to fine-tune it, or to train a head on it."


def write_pretraining(verb: str, run: Run) -> Path:
    """Writes `report/index.html`, `report/report.md` and the curves of a run of pre-training.

    Args:
        verb: the command that writes, see `ferjax.platform.outputs`.
        run: finished or not.

    Returns:
        The path of the page.

    Raises:
        UserError: a file of the run is damaged, or the page cannot be written.
    """
    folder = run.workdir / "report"
    pictures: dict[str, Figure] = {}
    if curve_plots.curve_names(run.rows):
        pictures["curves"] = curve_plots.curves(run.rows, run.best_step)
    page, text = folder / "index.html", folder / "report.md"
    content = _html(run)
    outputs.check(verb, page, text, *picture_files(folder, pictures))
    write_pictures(verb, folder, pictures)
    outputs.write(verb, text, _markdown(run, "curves" in pictures).encode())
    outputs.write(verb, page, content.encode())
    return page


def _html(run: Run) -> str:
    config = f'<h2>Config</h2>\n<div class="panel">{sections.config_tree(run.config)}</div>'
    if run.losses is None:
        body = f"""<div class="panel notice" role="status"><b>This run is unfinished.</b>
<p>Start the same command again to go on, then write this page again.</p></div>
{sections.unfinished_cards(run)}
{sections.curves(run)}"""
    else:
        body = f"""{_cards(run.losses)}
{sections.overlap(run.losses)}
{_gallery(run)}
{sections.curves(run)}
<h2>What comes next</h2>
<p class="muted">{_NEXT} <code>--config.init.from={escape(str(run.workdir))}</code></p>"""
    return document(
        run.title,
        "ferjax report",
        f"Pre-training without labels, run <code>{escape(run.name)}</code>",
        f"{body}\n{config}",
        "Written from the files of the run by <code>ferjax report</code>. The curves are beside this page as "
        "PNG and SVG, the numbers in <code>report.md</code>.",
    )


def _cards(losses: dict) -> str:
    device = losses["device"]
    return cards(
        ("Validation loss", number(losses["validation"]["loss"], 4), _LOSSES[losses[METHOD]]),
        ("Test loss", number(losses["test"]["loss"], 4), "likewise, read once at the end"),
        ("Best step", number(losses["best_step"]), f"of {number(losses['steps'])}, chosen by validation"),
        ("Time", duration(losses["seconds"]), f"{losses['epochs']:.3g} epochs"),
        (
            "Images a second",
            number(losses["images_per_second"]),
            f"{percent(losses['data_wait_fraction'], 1)} of the time waiting for data",
        ),
        ("Device", device["kind"], f"peak memory {memory(losses['peak_memory_bytes'])}"),
        ("Date", day(losses["date"]), f"seed {losses['seed']}"),
    )


def _gallery(run: Run) -> str:
    pictures = pretraining_pictures.read(run.workdir)
    if pictures is None:
        return ""
    title, caption = (
        ("Which views it finds alike", _VIEWS)
        if isinstance(pictures, ViewPairs)
        else ("What it fills in", _FILLED_IN)
    )
    shown = [_figure(pictures, row) for row in range(len(pictures.indices))]
    return f"""<h2>{title}</h2>
<p class="muted">{caption}</p>
<div class="gallery">{"".join(shown)}</div>"""


def _figure(pictures: Pictures, row: int) -> str:
    """Draws an image beside what was made of it."""
    said = f"validation {int(pictures.indices[row]):,}"
    if isinstance(pictures, ViewPairs):
        names = ("original", "first view", "second view")
        nearer = int(pictures.nearer[row])
        said += f", cosine {pictures.cosines[row]:.2f}, " + (f"{nearer:,} nearer" if nearer else "nearest")
    else:
        names = ("original", "masked", "reconstructed")
    images = "".join(
        f'<img alt="{name}" src="{photograph(images[row])}">'
        for name, images in zip(names, pictures[:3], strict=True)
    )
    return f'<figure class="panel mistake">{images}<figcaption><small>{said}</small></figcaption></figure>'


def _markdown(run: Run, has_curves: bool) -> str:
    parts = [f"# {plain(run.title)}", f"Pre-training without labels, run `{run.name}`"]
    if run.losses is None:
        parts.append("**This run is unfinished**.")
    else:
        losses = run.losses
        rows = [
            ["validation loss", number(losses["validation"]["loss"], 4)],
            ["test loss", number(losses["test"]["loss"], 4)],
            ["best step", f"{number(losses['best_step'])} of {number(losses['steps'])}"],
            ["time", duration(losses["seconds"])],
        ]
        parts += [losses_line(losses), markdown(("", "value"), rows)]
    if has_curves:
        parts.append("![Curves](curves.png)")
    return "\n\n".join(parts) + "\n"
