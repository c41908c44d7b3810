"""Draws measured explanations: the regions, mean heat on the face, curves, the effect of random weights."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

from ferjax.augment import IMAGENET_MEAN, IMAGENET_STD
from ferjax.data.toons.pose import SIZE
from ferjax.data.toons.table import STYLES
from ferjax.explain.face_regions import REGIONS, on_canonical
from ferjax.explain.method_names import spoken
from ferjax.report.figures import new_figure, quiet, short
from ferjax.report.palette import LIGHT, SERIES

# Colours of the regions; the background has none.
_COLOURS = ("#00000000", "#9aa0a6", "#ff9f1c", "#00b4d8", "#e63dd6", "#ff2e2e")
_DASHES = ("-", (0, (5, 2)))  # when the colours repeat, dashes differ
_OPACITY = 0.45
_COLUMNS = 5  # of a legend


def region_sheet(
    images: Float[np.ndarray, "N S S 3"],
    regions: UInt8[np.ndarray, "N S S"],
    titles: Sequence[str],
    columns: int = 7,
) -> Figure:
    """Draws images, and below each the same image with its regions in colours.

    Args:
        images: float32 `[N, S, S, 3]`, normalised.
        regions: uint8 `[N, S, S]`, numbers of `REGIONS`.
        titles: the title of each image.
        columns: images side by side.
    """
    lines = -(-len(images) // columns)
    figure = new_figure(1.45 * columns, 3.05 * lines + 0.3)
    axes = figure.subplots(2 * lines, columns, squeeze=False)
    pixels = (images * np.asarray(IMAGENET_STD) + np.asarray(IMAGENET_MEAN)).clip(0, 1)
    colours = np.array([_rgba(colour) for colour in _COLOURS])
    for place in range(lines * columns):
        row, column = divmod(place, columns)
        plain, marked = axes[2 * row, column], axes[2 * row + 1, column]
        plain.axis("off")
        marked.axis("off")
        if place >= len(images):
            continue
        plain.imshow(pixels[place])
        plain.set_title(titles[place], fontsize=9, color=LIGHT["ink"], parse_math=False)
        marked.imshow(pixels[place])
        marked.imshow(colours[regions[place]])
    marks = [Rectangle((0, 0), 1, 1, color=colour) for colour in _COLOURS[1:]]
    _legend(figure, marks, REGIONS[1:])
    return figure


def _rgba(colour: str) -> tuple[float, ...]:
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue, 0.0 if len(colour) > 7 else _OPACITY


def mean_heat(
    maps: Mapping[str, Float[np.ndarray, "N S S"]],
    poses: Float[np.ndarray, "N 2 3"],
    classes: Int[np.ndarray, " N"],
    label_names: Sequence[str],
    style: str,
) -> Figure:
    """Draws the mean heat of each method and class on the canonical face, with the boxes of its parts.

    Every map weighs the same; the scale of each picture ends at its own largest value.

    Args:
        maps: method → float32 `[N, S, S]`.
        poses: float32 `[N, 2, 3]`, canonical pixels → pixels of the maps.
        classes: int32 `[N]`.
        label_names: the K classes.
        style: the style of the toons.
    """
    shown = [label for label in range(len(label_names)) if (classes == label).any()]
    figure = new_figure(1.5 + 1.3 * len(shown), 0.4 + 1.32 * len(maps))
    axes = figure.subplots(len(maps), len(shown), squeeze=False)
    for row, (name, heat) in enumerate(maps.items()):
        positive = np.maximum(heat, 0)
        total = positive.sum((1, 2), keepdims=True)
        aligned = on_canonical(
            np.divide(positive, total, where=total > 0, out=np.zeros_like(positive)), poses
        )
        for column, label in enumerate(shown):
            panel = axes[row, column]
            panel.imshow(
                np.nan_to_num(aligned[classes == label]).mean(0), cmap="inferno", extent=(0, SIZE, SIZE, 0)
            )
            _boxes(panel, style)
            panel.set_xticks([])
            panel.set_yticks([])
            panel.spines[:].set_visible(False)
            if row == 0:
                panel.set_title(label_names[label], fontsize=10, color=LIGHT["ink"], parse_math=False)
            if column == 0:
                panel.set_ylabel(spoken(name).replace(" ", "\n"), fontsize=9, color=LIGHT["ink"])
    return figure


def _boxes(axes: Axes, style: str) -> None:
    for x0, y0, x1, y1 in STYLES[style].boxes.values():
        axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor="white", linewidth=0.7))


def curves(methods: Mapping[str, Mapping], references: Sequence[str]) -> Figure:
    """Draws mean deletion and insertion curves side by side.

    Args:
        methods: the field of that name, see `ferjax.explain.measure.measure`.
        references: the names among them that are reference maps.
    """
    figure = new_figure(10.5, 4.4)
    if isinstance(engine := figure.get_layout_engine(), ConstrainedLayoutEngine):
        engine.set(wspace=0.06)
    titles = {
        "deletion": ("Deletion: the hottest pixels go first", "removed"),
        "insertion": ("Insertion: the hottest pixels come first", "shown"),
    }
    both = figure.subplots(1, 2)
    for axes, (kind, (title, done)) in zip(both, titles.items(), strict=True):
        for name, style in _styles(methods, references).items():
            values = methods[name][kind]["curve"]
            axes.plot(np.linspace(0, 1, len(values)), values, label=spoken(name), **style)
        quiet(axes, title, f"pixels {done}", lines=0)
        axes.set_ylabel("probability of the class", fontsize=9, color=LIGHT["muted"])
        axes.set(xlim=(0, 1), ylim=(0, 1.02))
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    _legend(figure, *both[0].get_legend_handles_labels())
    return figure


def damaged(sanity: Mapping) -> Figure:
    """Draws the rank correlation with the trained network's map after each layer got random weights.

    Args:
        sanity: the field of that name, see `ferjax.explain.measure.measure`.
    """
    figure = new_figure(10.5, 4.2)
    axes = figure.add_subplot()
    layers, correlation = sanity["layers"], sanity["correlation"]
    for name, style in _styles(correlation, ()).items():
        axes.plot(range(len(layers) + 1), [1.0, *correlation[name]], label=spoken(name), **style)
    quiet(axes, "Rank correlation with the trained network's map", "random from the output down to", lines=0)
    axes.axhline(0, color=LIGHT["muted"], linewidth=1, linestyle=(0, (4, 3)))
    names = ["trained", *short(layers)]
    axes.set_xticks(
        range(len(names)), names, rotation=40, ha="right", parse_math=False, fontsize=9, color=LIGHT["ink"]
    )
    _legend(figure, *axes.get_legend_handles_labels())
    return figure


def _legend(figure: Figure, marks: Sequence, names: Sequence[str]) -> None:
    """Draws a legend below all plots of a figure."""
    place = {"loc": "outside lower center", "ncols": _COLUMNS, "handlelength": 2.4}
    figure.legend(marks, names, frameon=False, fontsize=9, labelcolor=LIGHT["ink"], **place)


def _styles(names: Mapping[str, object], references: Sequence[str]) -> dict[str, dict]:
    """Chooses colour and dash of each line: references grey, methods from the palette."""
    styles, own = {}, [name for name in names if name not in references]
    for name in names:
        if name in references:
            styles[name] = {"color": LIGHT["train"], "linestyle": _DASHES[references.index(name)], "lw": 1.4}
            continue
        turn, role = divmod(own.index(name), len(SERIES))
        styles[name] = {"color": LIGHT[SERIES[role]], "linestyle": _DASHES[turn % len(_DASHES)], "lw": 1.8}
    return styles
