"""Curves and the confusion matrix, drawn with Matplotlib's objects and no global figure.

Functions return a `Figure`; `png`, `svg` and `inline_svg` turn one into bytes or text.
"""

import io
import re
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from ferjax.report.palette import LIGHT
from ferjax.report.run import series

# Text stays text (small, selectable, in the page's font), and the ids inside do not change from run to run.
_SVG_STYLE = {"svg.fonttype": "none", "svg.hashsalt": "ferjax"}
_TITLES = {"loss": "Loss", "accuracy": "Accuracy", "learning_rate": "Learning rate"}
_MOST_POINTS = 200  # a line of more is drawn as the means and the range of so many pieces
_ROUND_STEPS = (1, 2, 5, 10)  # ticks at multiples that are easy to read


def curve_names(rows: Sequence[dict]) -> list[str]:
    """Which of loss, accuracy and learning_rate the rows hold, in that order."""
    return [n for n in _TITLES if series(rows, "train", n)[0] or series(rows, "validation", n)[0]]


def curve(rows: Sequence[dict], name: str, best_step: int | None) -> Figure:
    """One metric against the step, training and validation, with the best step marked.

    Args:
        rows: rows of `metrics.jsonl`; null values are gaps.
        name: "loss", "accuracy" or "learning_rate".
        best_step: where the mark goes, None for no mark.
    """
    figure = _figure(4.3, 3.0)
    _draw_curve(figure.add_subplot(), rows, name, best_step)
    return figure


def curves(rows: Sequence[dict], best_step: int | None) -> Figure:
    """Every curve the rows hold, side by side (see `curve`)."""
    names = curve_names(rows)
    figure = _figure(4.3 * max(1, len(names)), 3.0)
    figure.get_layout_engine().set(wspace=0.08)
    for position, name in enumerate(names, start=1):
        _draw_curve(figure.add_subplot(1, len(names), position), rows, name, best_step)
    return figure


def confusion(matrix: Sequence[Sequence[int]], label_names: Sequence[str]) -> Figure:
    """A confusion matrix: each row's shares as colour and percent, with the counts below.

    Args:
        matrix: integers `[K, K]`, rows actual, columns predicted.
        label_names: the K class names.
    """
    counts = np.asarray(matrix)
    support = counts.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(support, 1)
    classes = len(label_names)
    figure = _figure(1.0 + 0.58 * classes, 0.9 + 0.56 * classes)
    axes = figure.add_subplot()
    for (row, column), share in np.ndenumerate(shares):
        _draw_cell(axes, row, column, share, counts[row, column])
    axes.set(xlim=(0, classes), ylim=(classes, 0))
    axes.set_xlabel("predicted", fontsize=9, color=LIGHT["muted"], labelpad=8)
    axes.set_ylabel("actual", fontsize=9, color=LIGHT["muted"], labelpad=8)
    style = {"parse_math": False, "color": LIGHT["ink"], "fontsize": 8.5}
    long = max(map(len, label_names)) > 9
    slant = {"rotation": 40, "rotation_mode": "anchor", "ha": "right"} if long else {}
    axes.set_xticks(np.arange(classes) + 0.5, label_names, **style, **slant)
    axes.set_yticks(np.arange(classes) + 0.5, label_names, **style)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def png(figure: Figure) -> bytes:
    """The figure as PNG at 200 dots per inch, on a white ground."""
    return _rendered(figure, "png", dpi=200)


def svg(figure: Figure) -> bytes:
    """The figure as a standalone SVG file, on a white ground; the same figure gives the same bytes."""
    return _rendered(figure, "svg", metadata={"Date": None})


def inline_svg(figure: Figure, name: str, description: str) -> str:
    """The figure as an `<svg>` element for an HTML page.

    Its colours are CSS variables (see `ferjax.report.palette`), its ground is transparent, it fills
    its container's width, and it refers to nothing outside itself.

    Args:
        figure: a figure drawn in `palette.LIGHT`.
        name: prefix of the ids inside, unique in the page.
        description: what a screen reader says; escaped by the caller.
    """
    text = _rendered(figure, "svg", transparent=True).decode()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    view_box = re.search(r'viewBox="[^"]*"', text)[0]
    text = re.sub(r"^<svg[^>]*>", f'<svg {view_box} role="img" aria-label="{description}">', text)
    text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", text)
    roles = {colour: f"var(--{role})" for role, colour in LIGHT.items()}
    return re.sub(r"(fill|stroke): (#[0-9a-f]{6})", lambda m: f"{m[1]}: {roles.get(m[2], m[2])}", text)


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained", facecolor=LIGHT["surface"])
    FigureCanvasAgg(figure)
    return figure


def _rendered(figure: Figure, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    with mpl.rc_context(_SVG_STYLE):
        figure.savefig(buffer, format=kind, **options)
    return buffer.getvalue()


def _draw_curve(axes: Axes, rows: Sequence[dict], name: str, best_step: int | None) -> None:
    for split, colour, width in (("train", "train", 1.4), ("validation", "accent", 2)):
        steps, values = series(rows, split, name)
        if steps:
            _draw_line(axes, steps, values, label=split, color=LIGHT[colour], linewidth=width)
    if best_step is not None:
        axes.axvline(best_step, color=LIGHT["best"], linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        steps, values = series(rows, "validation", name)
        if best_step in steps:
            style = {"color": LIGHT["best"], "markersize": 6, "label": f"best step, {best_step:,}"}
            axes.plot([best_step], [values[steps.index(best_step)]], "o", **style)
    axes.set_title(_TITLES[name], loc="left", pad=24, fontsize=11, fontweight="bold", color=LIGHT["ink"])
    axes.set_xlabel("step", fontsize=9, color=LIGHT["muted"])
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=_ROUND_STEPS))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda step, _: f"{step:,.0f}"))
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=_ROUND_STEPS))
    if name == "accuracy":
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    if name == "learning_rate":
        axes.set_ylim(bottom=0)
    axes.tick_params(colors=LIGHT["muted"], labelsize=9, length=0, pad=5)
    axes.grid(axis="y", color=LIGHT["line"], linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(LIGHT["line"])
    if axes.get_legend_handles_labels()[0] and name != "learning_rate":
        # Between title and curves, where it covers nothing.
        place = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderpad": 0, "borderaxespad": 0.6}
        spacing = {"ncols": 3, "columnspacing": 1.2, "handlelength": 1.4, "handletextpad": 0.5}
        axes.legend(frameon=False, fontsize=8.5, labelcolor=LIGHT["ink"], **place, **spacing)


def _draw_line(axes: Axes, steps: list[int], values: list[float], **style) -> None:
    if len(steps) <= _MOST_POINTS:
        axes.plot(steps, values, marker="o" if len(steps) < 40 else None, markersize=3.5, **style)
        return
    pieces = [np.ma.masked_invalid(piece) for piece in np.array_split(values, _MOST_POINTS)]
    middles = [piece.mean() for piece in np.array_split(steps, _MOST_POINTS)]
    low, mean, high = (
        np.ma.stack([getattr(piece, what)() for piece in pieces]).filled(np.nan)
        for what in ("min", "mean", "max")
    )
    axes.fill_between(middles, low, high, color=style["color"], alpha=0.25, linewidth=0)
    axes.plot(middles, mean, **style)


def _draw_cell(axes: Axes, row: int, column: int, share: float, count: int) -> None:
    # Opacity, not a colour map: it mixes with the ground, white or dark, wherever the picture is shown.
    cell = Rectangle((column + 0.03, row + 0.03), 0.94, 0.94, linewidth=0)
    cell.set(facecolor=LIGHT["cell"], alpha=0.06 + 0.94 * share)
    axes.add_patch(cell)
    style = {"ha": "center", "va": "center", "color": LIGHT["ink"]}
    axes.text(column + 0.5, row + 0.4, f"{100 * share:.0f}%", fontsize=10, fontweight="bold", **style)
    axes.text(column + 0.5, row + 0.73, f"{count:,}", fontsize=8, **style)
